// What goes wrong, and how a program tells it apart.
import {
  InvalidArgumentError,
  KvgateError,
  StoreNotFoundError,
  UnavailableError,
  UnsafeIntegerError,
  connect,
} from "kvgate";

const client = connect(process.env["KVGATE_URL"] ?? "http://localhost:50051");
const items = client.collection("items");

try {
  await client.store("nowhere").collection("items").get("key");
} catch (error) {
  if (!(error instanceof StoreNotFoundError)) throw error;
  console.log("no such store:", error.metadata["store"]);
}

try {
  await items.putMany([
    ["good", { n: 1 }],
    ["", { n: 2 }],
  ]);
} catch (error) {
  if (!(error instanceof InvalidArgumentError)) throw error;
  console.log(`refused: ${error.reason} in ${error.field}; stored:`, error.putMany?.stored);
}

// JavaScript's numbers end at 2^53. The client says so instead of changing the value.
await items.putText("large", '{"n": 9007199254740993}');
try {
  await items.get("large");
} catch (error) {
  if (!(error instanceof UnsafeIntegerError)) throw error;
  console.log("as text:", await items.getText("large"));
}

// What is unavailable was tried four times before this is thrown.
const nowhere = connect("http://localhost:1");
try {
  await nowhere.collection().get("key");
} catch (error) {
  if (!(error instanceof KvgateError)) throw error;
  console.log(error instanceof UnavailableError, error.code, "answered:", error.fromServer);
}

await items.delete("large");
await nowhere.close();
await client.close();
