// The protocol's words that tests use.

export { CloseCode } from "../../dist/gen/rialto/v1/code_pb.js";
export { Recovery } from "../../dist/gen/rialto/v1/room_pb.js";
