// The receivers: for each language the systems that have a client for it, how the program around that client is started,
// and which version it is.

import { artifactVersion, crateVersion, moduleVersion, npmVersion, path, pythonVersion } from "./versions.mjs";

const RUST = path("target/dist/rialto-receiver");
const JAR = path("tests/receivers/java/target/receivers.jar");
const PYTHON = path(".tools/receivers-python/bin/python");
const PYTHON_ENV = { PYTHONPATH: path("clients/python/src") };

const node = (file) => ({ command: [process.execPath, path(`tests/receivers/typescript/${file}.mjs`)] });
const python = (file) => ({ command: [PYTHON, path(`tests/receivers/python/${file}_receiver.py`)], env: PYTHON_ENV });
const go = (name) => ({ command: [path(`.tools/bin/rialto-receivers/${name}`)] });
const java = (name) => ({ command: ["java", "-cp", JAR, `dev.rialto.receivers.${name}Receiver`] });

/** By language, then by system: `{ client, version, command, env }`. */
export const RECEIVERS = {
  Rust: {
    rialto: { client: "rialto-client", command: [RUST, "rialto"] },
    nats: { client: "async-nats", version: () => crateVersion("async-nats"), command: [RUST, "nats"] },
  },
  TypeScript: {
    rialto: { client: "@rialto/client", ...node("rialto") },
    nats: { client: "nats.js", version: () => npmVersion(".tools/receivers", "@nats-io/transport-node"), ...node("nats") },
    socketio: { client: "socket.io-client", version: () => npmVersion(".tools/receivers", "socket.io-client"), ...node("socketio") },
  },
  Python: {
    rialto: { client: "rialto", ...python("rialto") },
    nats: { client: "nats-py", version: () => pythonVersion("nats-py"), ...python("nats") },
    socketio: { client: "python-socketio", version: () => pythonVersion("python-socketio"), ...python("socketio") },
  },
  Go: {
    rialto: { client: "rialto.dev/client", ...go("rialto") },
    nats: { client: "nats.go", version: () => moduleVersion("github.com/nats-io/nats.go"), ...go("nats") },
  },
  Java: {
    rialto: { client: "dev.rialto", ...java("Rialto") },
    nats: { client: "jnats", version: () => artifactVersion("jnats"), ...java("Nats") },
    socketio: { client: "socket.io-client-java", version: () => artifactVersion("socket.io-client"), ...java("Socketio") },
  },
};

/** The one sender of all systems. */
export const SENDER = path(".tools/bin/rialto-receivers/sender");
