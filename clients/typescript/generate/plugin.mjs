#!/usr/bin/env node
// Generates the messages of this client from the protos, as a plugin of buf: types to program against, and for each message one
// line that says how it travels, which `src/wire/message.ts` reads. Only what the protos use is supported; anything else fails.

import { ScalarType } from "@bufbuild/protobuf";
import { createEcmaScriptPlugin, runNodeJs } from "@bufbuild/protoplugin";

/** How values travel: the letters of `src/wire/message.ts`. */
const SCALARS = {
  [ScalarType.STRING]: ["s", "string"],
  [ScalarType.BYTES]: ["y", "Uint8Array"],
  [ScalarType.BOOL]: ["b", "boolean"],
  [ScalarType.UINT32]: ["u", "number"],
  [ScalarType.INT32]: ["i", "number"],
  [ScalarType.SINT32]: ["z", "number"],
  [ScalarType.UINT64]: ["U", "bigint"],
  [ScalarType.INT64]: ["I", "bigint"],
};
const WIRE = "./../wire/";
const KNOWN = new Set(["google.protobuf.Duration", "google.protobuf.Timestamp"]);

runNodeJs(createEcmaScriptPlugin({ name: "protoc-gen-rialto", version: "v1", generateTs }));

function generateTs(schema) {
  for (const desc of schema.files) {
    const file = schema.generateFile(`${desc.name}_pb.ts`);
    file.preamble(desc);
    desc.enums.forEach((each) => printEnum(file, each));
    desc.messages.forEach((each) => printMessage(file, each));
    desc.services.flatMap(({ methods }) => methods).forEach((each) => printMethod(file, each));
  }
}

function printEnum(file, desc) {
  file.print(file.jsDoc(desc));
  file.print(file.export("enum", desc.name), " {");
  for (const value of desc.values) {
    file.print(file.jsDoc(value, "  "));
    file.print("  ", value.localName, " = ", value.number, ",");
  }
  file.print("}\n");
}

function printMessage(file, desc) {
  if (desc.nestedMessages.length + desc.nestedEnums.length > 0) throw new Error(`${desc}: what is nested has no name here`);
  file.print(file.jsDoc(desc));
  file.print(file.export("interface", desc.name), " {");
  for (const member of desc.members) member.kind === "oneof" ? printOneof(file, member) : printField(file, member);
  file.print("}\n");
  const { words, others } = travelling(desc);
  const of = others.length === 0 ? [] : [", () => [", ...others.flatMap((other) => [schemaOf(file, other), ", "]).slice(0, -1), "]"];
  const type = file.import("MessageType", `${WIRE}message.js`);
  file.print("/** How a `", desc.name, "` travels. */");
  file.print(file.export("const", `${desc.name}Schema`), ": ", type, "<", desc.name, "> = /*@__PURE__*/ new ", type, "(", file.string(words), ...of, ");\n");
}

function printField(file, field) {
  file.print(file.jsDoc(field, "  "));
  const mayMiss = field.fieldKind === "message" || field.presence === 1;
  file.print("  ", field.localName, mayMiss ? "?: " : ": ", ...typeOf(file, field), mayMiss ? " | undefined;" : ";");
}

function printOneof(file, oneof) {
  file.print(file.jsDoc(oneof, "  "));
  file.print("  ", oneof.localName, ":");
  for (const field of oneof.fields) {
    file.print(file.jsDoc(field, "    "));
    file.print("    | { case: ", file.string(field.localName), "; value: ", ...typeOf(file, field), " }");
  }
  file.print("    | { case: undefined; value?: undefined };");
}

function typeOf(file, field) {
  switch (field.fieldKind) {
    case "list":
      return [...single(file, field, field.listKind), "[]"];
    case "map":
      return [`{ [key: string]: `, ...single(file, field, field.mapKind), " }"];
    default:
      return single(file, field, field.fieldKind);
  }
}

function single(file, field, kind) {
  if (kind === "enum") return [field.enum.name === undefined ? "number" : named(file, field.enum, field.enum.name)];
  if (kind === "message") return [named(file, field.message, field.message.name)];
  return [scalar(field)[1]];
}

/** The words that say how the fields of a message travel, and the messages that they name by their number. */
function travelling(desc) {
  const others = [];
  const words = desc.fields.map((field) => {
    const oneof = field.oneof ? `${field.oneof.localName}.` : "";
    const presence = field.oneof === undefined && field.presence === 1 && field.fieldKind !== "message" ? "?" : "";
    const many = field.fieldKind === "list" ? "*" : "";
    return `${oneof}${field.localName}=${field.number}${many}${presence}${letter(field, others)}`;
  });
  return { words: words.join(" "), others };
}

function letter(field, others) {
  if (field.fieldKind === "map") {
    if (field.mapKey !== ScalarType.STRING || field.scalar !== ScalarType.STRING) throw new Error(`${field}: only texts by texts`);
    return "m";
  }
  if (field.enum) return "i";
  if (!field.message) return scalar(field)[0];
  if (!others.includes(field.message)) others.push(field.message);
  return `:${others.indexOf(field.message)}`;
}

function scalar(field) {
  const known = SCALARS[field.scalar];
  if (known === undefined || field.longAsString) throw new Error(`${field}: there is no letter for its type`);
  return known;
}

function printMethod(file, desc) {
  const method = file.import("Method", `${WIRE}message.js`, true);
  const [input, output] = [desc.input, desc.output];
  file.print(file.jsDoc(desc));
  file.print(
    ...[file.export("const", `${desc.localName}Method`), ": ", method, "<", named(file, input, input.name), ", ", named(file, output, output.name), "> = {"],
    ...[" path: ", file.string(`/${desc.parent.typeName}/${desc.name}`), ", input: ", schemaOf(file, input), ", output: ", schemaOf(file, output), " };\n"],
  );
}

/** The type of a message or an enum of another file, or of this one. */
function named(file, desc, name) {
  return file.import(name, sourceOf(desc), desc.kind === "message");
}

function schemaOf(file, desc) {
  return file.import(`${desc.name}Schema`, sourceOf(desc));
}

function sourceOf(desc) {
  if (KNOWN.has(desc.typeName)) return `${WIRE}wellknown.js`;
  return `./${desc.file.name}_pb.js`;
}
