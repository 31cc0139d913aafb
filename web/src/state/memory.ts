// What the page remembers between visits, in the browser's storage: name, theme, workspaces with their rooms. Every
// read checks what it finds; a storage that is forbidden or full is no error.

const PREFIX = "rialto.";
const LIST_MAX = 64;

/** A workspace as it is remembered. */
export interface RememberedWorkspace {
  readonly name: string;
  readonly rooms: readonly string[];
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(PREFIX + key);
  } catch {
    return null;
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + key, value);
  } catch {
    // Nothing is lost but the memory of it.
  }
}

/** The name chosen before; empty for none. */
export const readName = (): string => read("name") ?? "";
export const writeName = (name: string): void => write("name", name);

/** The theme chosen before; empty for the system's. */
export const readTheme = (): string => read("theme") ?? "";
export const writeTheme = (theme: string): void => write("theme", theme);

/** The workspaces of before. */
export function readWorkspaces(): RememberedWorkspace[] | undefined {
  try {
    const found: unknown = JSON.parse(read("workspaces") ?? "null");
    if (!Array.isArray(found)) return undefined;
    const list = found.filter(isWorkspace).slice(0, LIST_MAX);
    return list.map(({ name, rooms }) => ({ name, rooms: rooms.filter(isText).slice(0, LIST_MAX) }));
  } catch {
    return undefined;
  }
}

export function writeWorkspaces(workspaces: readonly RememberedWorkspace[]): void {
  write("workspaces", JSON.stringify(workspaces));
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isWorkspace(value: unknown): value is RememberedWorkspace {
  const { name, rooms } = (value ?? {}) as Partial<RememberedWorkspace>;
  return isText(name) && Array.isArray(rooms);
}
