// Bytes, hashes and text as evidence has them: read in one way or not at all.

const HASH = 32;
const MAX_NUMBER = Number.MAX_SAFE_INTEGER;
const MAX_LITERAL = 1000;
const MAX_TIME = 253402300799n;
const MAX_DEPTH = 64;

// What is wrong, as a code of words.js with its values.
class Refused extends Error {
  constructor(code, ...values) {
    super(code);
    this.code = code;
    this.values = values;
  }
}

const encoder = new TextEncoder();

function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Refused("notUtf8");
  }
}

function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function equal(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

async function sha256(...parts) {
  const whole = parts.length === 1 ? parts[0] : joined(...parts);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

function unbase64(text) {
  let found = null;
  try {
    found = atob(text);
  } catch {
    throw new Refused("notBase64");
  }
  if (!text || btoa(found) !== text) throw new Refused("notBase64");
  return Uint8Array.from(found, (character) => character.charCodeAt(0));
}

// Outside strings. Character by character: a pattern overflows the stack on a string of many megabytes.
function hasLongNumber(text) {
  let [quoted, run] = [false, 0];
  for (let at = 0; at < text.length; at += 1) {
    const mark = text[at];
    if (quoted && mark === "\\") at += 1;
    else if (mark === '"') [quoted, run] = [!quoted, 0];
    else if (!quoted) run = "-+.0123456789eE".includes(mark) ? run + 1 : 0;
    if (run > MAX_LITERAL) return true;
  }
  return false;
}

// Numbers within limits that both verifiers keep: see numerals.py.
function loaded(text) {
  if (text.length > MAX_LITERAL && hasLongNumber(text)) throw new Refused("notJson");
  try {
    return JSON.parse(text);
  } catch {
    throw new Refused("notJson");
  }
}

// What JSON.stringify made it from, with its newline; lone surrogates, and every other spelling, are refused.
function readLine(bytes) {
  const text = decoded(bytes);
  const said = loaded(text);
  if (JSON.stringify(said) + "\n" !== text || /\\ud[89a-f][0-9a-f]{2}/.test(unescaped(text))) throw new Refused("otherJson");
  return said;
}

// JSON.stringify escapes lone surrogates only; an escaped backslash before "ud800" is no escape of one.
const unescaped = (text) => text.replaceAll("\\\\", "");

function* linesOf(bytes) {
  let start = 0;
  while (start < bytes.length) {
    const stop = bytes.indexOf(10, start) + 1 || bytes.length;
    yield bytes.subarray(start, stop);
    start = stop;
  }
}

const isObject = (said) => typeof said === "object" && said !== null && !Array.isArray(said);

function shaped(said, members) {
  if (!isObject(said) || Object.keys(said).join(" ") !== members) throw new Refused("notShaped", members);
  return said;
}

function text(said) {
  if (typeof said !== "string") throw new Refused("notText");
  return said;
}

const orNone = (said) => (said === null ? null : text(said));

function number(said) {
  if (!Number.isInteger(said) || Object.is(said, -0) || said < 0 || said > MAX_NUMBER) throw new Refused("notNumber");
  return said;
}

function listed(said) {
  if (!Array.isArray(said)) throw new Refused("notList");
  return said;
}

function hash32(said) {
  let found = new Uint8Array();
  try {
    found = unbase64(text(said));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
  }
  if (found.length !== HASH) throw new Refused("notHash");
  return found;
}

const hashes = (said) => listed(said).map(hash32);

function readEntry(line) {
  const said = shaped(readLine(line), "seq recorded_at prev commitment hash");
  return {
    prev: hash32(said.prev),
    commitment: hash32(said.commitment),
    hash: hash32(said.hash),
    seq: number(said.seq),
    recordedAt: text(said.recorded_at),
  };
}

function readEvent(line) {
  const said = shaped(readLine(line), "seq id salt content");
  return { seq: number(said.seq), id: text(said.id), salt: hash32(said.salt), content: text(said.content) };
}

function readSigned(line) {
  const said = shaped(readLine(line), "note after");
  return { note: text(said.note), after: hashes(said.after) };
}

const PURGE = "ledger.purge";

// What a purge's event says; "unread" where it cannot be read. Its hashes: start, stop and subtrees.
function purgeOf(said) {
  try {
    const { first, last, hashes: covered } = said.detail;
    const bytes = unbase64(text(covered));
    const view = new DataView(bytes.buffer);
    const [start, stop] = [Number(view.getBigUint64(0)), Number(view.getBigUint64(8))];
    if (start !== number(first) || stop !== number(last) + 1 || start >= stop) return "unread";
    return bytes.length === 16 + 32 * fullSubtrees(start, stop).length ? { first, stop, hashes: bytes } : "unread";
  } catch {
    return "unread";
  }
}

// What a filter needs to know of an event.
function meaning(content) {
  if (depth(content) > MAX_DEPTH) throw new Refused("notEvent");
  const said = loaded(content);
  try {
    const member = (object, name) => {
      if (!isObject(object) || !Object.hasOwn(object, name)) throw new Refused("notEvent");
      return object[name];
    };
    const actor = member(said, "actor");
    const target = member(said, "target");
    text(member(said, "time"));
    const action = text(member(said, "action"));
    return {
      id: text(member(said, "id")),
      names: [orNone(member(actor, "user")), orNone(member(actor, "name"))],
      target: target === null ? [null, null] : [orNone(member(target, "kind")), orNone(member(target, "id"))],
      subjects: listed(member(said, "subjects")).map(text),
      purge: action === PURGE ? purgeOf(said) : null,
    };
  } catch {
    throw new Refused("notEvent");
  }
}

// How deep brackets nest, those inside strings left out.
function depth(content) {
  let deepest = 0;
  let now = 0;
  for (const mark of content.replace(/"(?:[^"\\]|\\.)*"/gs, "")) {
    if (mark === "[" || mark === "{") now += 1;
    else if (mark === "]" || mark === "}") now -= 1;
    deepest = Math.max(deepest, now);
  }
  return deepest;
}
