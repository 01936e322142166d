/**
 * The API as it is on the wire, with the details that errors carry: for calls that the client has
 * no method for, with a transport of Connect's.
 *
 * @module
 */
export * from "./gen/keyvalue/v1/entry_pb.js";
export * from "./gen/keyvalue/v1/error_reason_pb.js";
export * from "./gen/keyvalue/v1/key_value_service_pb.js";
export * from "./gen/keyvalue/v1/store_service_pb.js";
export * from "./gen/google/rpc/error_details_pb.js";
export * from "./gen/google/rpc/status_pb.js";
