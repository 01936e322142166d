import { type Store as StoreMessage, Stability } from "./gen/keyvalue/v1/store_service_pb.js";

/** A configured store, as the server describes it. */
export interface StoreDescription {
  /** The name that calls use. */
  readonly name: string;
  /** The type, as in the server's configuration: `"memory"`, `"redis"`, … */
  readonly type: string;
  /** What is promised about the form in which entries are stored. */
  readonly stability: "stable" | "unstable" | "not_applicable" | "unspecified";
  /** What the store can do. */
  readonly capabilities: Capabilities;
  /** The largest things that the store takes. */
  readonly limits: Limits;
  /** The store with its wrappers and settings, for a person to read. */
  readonly description: string;
  /** Whether calls that name no store use this one. */
  readonly isDefault: boolean;
}

/** What a store can do beyond getting, putting and deleting. */
export interface Capabilities {
  /** `listKeys` and `scan`. */
  readonly listKeys: boolean;
  /** `listCollections`. */
  readonly listCollections: boolean;
  /** `deleteCollection`. */
  readonly deleteCollection: boolean;
  /** `destroy`. */
  readonly destroy: boolean;
  /** `cull`. False too for a store that removes expired entries by itself. */
  readonly cull: boolean;
  /** Values come back letter for letter, not only as an equal object. */
  readonly exactValues: boolean;
  /** Entries outlive the server. */
  readonly persistent: boolean;
  /** Other processes see the same entries. */
  readonly shared: boolean;
  /** What was put can be read again. */
  readonly retains: boolean;
  /** Entries may be dropped when the store is full. */
  readonly evicts: boolean;
}

/** The largest things that a store takes, in bytes; 0: no limit but the server's. */
export interface Limits {
  /** Bytes of a key. */
  readonly keyBytesMax: number;
  /** Bytes of a collection's name. */
  readonly collectionBytesMax: number;
  /** Bytes of a value. */
  readonly valueBytesMax: number;
}

/** Reads the server's message. */
export function readDescription(store: StoreMessage): StoreDescription {
  const { capabilities, limits } = store;
  return {
    name: store.name,
    type: store.type,
    stability: STABILITIES[store.stability] ?? "unspecified",
    capabilities: {
      listKeys: capabilities?.listKeys ?? false,
      listCollections: capabilities?.listCollections ?? false,
      deleteCollection: capabilities?.deleteCollection ?? false,
      destroy: capabilities?.destroy ?? false,
      cull: capabilities?.cull ?? false,
      exactValues: capabilities?.exactValues ?? false,
      persistent: capabilities?.persistent ?? false,
      shared: capabilities?.shared ?? false,
      retains: capabilities?.retains ?? false,
      evicts: capabilities?.evicts ?? false,
    },
    limits: {
      keyBytesMax: Number(limits?.keyBytesMax ?? 0),
      collectionBytesMax: Number(limits?.collectionBytesMax ?? 0),
      valueBytesMax: Number(limits?.valueBytesMax ?? 0),
    },
    description: store.description,
    isDefault: store.isDefault,
  };
}

const STABILITIES: Readonly<Partial<Record<Stability, StoreDescription["stability"]>>> = {
  [Stability.STABLE]: "stable",
  [Stability.UNSTABLE]: "unstable",
  [Stability.NOT_APPLICABLE]: "not_applicable",
};
