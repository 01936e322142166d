/**
 * The client for Node.js: gRPC over HTTP/2.
 *
 * @module
 */
export * from "./api.js";
export { connect } from "./node/connect.js";
export {
  CONNECT_TIMEOUT_MS,
  MESSAGE_BYTES_MAX,
  type NodeOptions,
  PING_INTERVAL_MS,
  PING_TIMEOUT_MS,
  type TlsOptions,
} from "./node/options.js";
