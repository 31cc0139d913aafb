// Reads the responses and writes the requests of a folder with JavaScript's official protobuf runtime.
// Usage: decode.cjs GENERATED FOLDER
const fs = require("node:fs");
const path = require("node:path");
const { fromBinary, fromJsonString, toBinary, toJsonString } = require("@bufbuild/protobuf");

const [generated, folder] = process.argv.slice(2);
const { AttachRequestSchema, AttachResponseSchema } = require(path.resolve(generated, "rialto/v1/messaging_pb.js"));

for (const name of fs.readdirSync(folder)) {
  const file = path.join(folder, name);
  if (name.endsWith(".response.bin")) {
    const message = fromBinary(AttachResponseSchema, fs.readFileSync(file));
    fs.writeFileSync(file.replace(/bin$/, "json"), toJsonString(AttachResponseSchema, message, { useProtoFieldName: true }));
  } else if (name.endsWith(".request.json")) {
    const message = fromJsonString(AttachRequestSchema, fs.readFileSync(file, "utf8"));
    fs.writeFileSync(file.replace(/json$/, "bin"), toBinary(AttachRequestSchema, message));
  }
}
