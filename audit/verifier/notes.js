// Signed notes, verifier keys, policies, checkpoints: C2SP's formats.

const MAX_NOTE = 1 << 17;
const MAX_POLICY = 1 << 16;
const SIGNS = 1;
const COSIGNS = 4;
const SPACE = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;

const isName = (name) => name !== "" && !SPACE.test(name) && !/[+\x00-\x1f]|\p{Surrogate}/u.test(name);

async function parseKey(said) {
  const found = said.length <= 1024 && /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(said);
  if (!found) throw new Refused("notKey");
  const [, name, id, encoded] = found;
  const material = unbase64(encoded);
  const [kind, publicKey] = [material[0], material.subarray(1)];
  if (!isName(name) || ![SIGNS, COSIGNS].includes(kind) || publicKey.length !== 32) throw new Refused("notKey");
  const digest = await sha256(encoder.encode(name), Uint8Array.of(10, kind), publicKey);
  if (hex(digest.subarray(0, 4)) !== id) throw new Refused("otherKey");
  return { name, id, kind, publicKey, text: said };
}

// Whether this browser verifies Ed25519 at all.
async function canVerify() {
  try {
    await crypto.subtle.importKey("raw", Uint8Array.of(0x58, ...new Array(31).fill(0x66)), "Ed25519", false, ["verify"]);
    return true;
  } catch {
    return false;
  }
}

// A witness's time in seconds since 1970, else null. Raises unless the key signed.
async function verifySignature(key, said, signature) {
  let time = null;
  if (key.kind === COSIGNS) {
    if (signature.length !== 72) throw new Refused("badSignature", key.name);
    time = new DataView(signature.buffer, signature.byteOffset).getBigUint64(0);
    if (time > MAX_TIME) throw new Refused("badSignature", key.name);
    signature = signature.subarray(8);
    said = `cosignature/v1\ntime ${time}\n${said}`;
  }
  const imported = await crypto.subtle.importKey("raw", key.publicKey, "Ed25519", false, ["verify"]).catch(() => null);
  const good = imported && signature.length === 64
    && (await crypto.subtle.verify("Ed25519", imported, signature, encoder.encode(said)));
  if (!good) throw new Refused("badSignature", key.name);
  return time === null ? null : Number(time);
}

function parseNote(bytes) {
  if (bytes.length > MAX_NOTE) throw new Refused("notNote");
  const said = decoded(bytes);
  const blank = said.lastIndexOf("\n\n");
  if (/[\x00-\x09\x0b-\x1f]/.test(said) || blank < 0) throw new Refused("notNote");
  const lines = said.slice(blank + 2).split("\n");
  if (lines.pop() !== "" || !lines.length || lines.length > 100) throw new Refused("notNote");
  const signatures = lines.map(signatureLine);
  if (new Set(signatures.map(({ name, id }) => `${name}+${id}`)).size < lines.length) throw new Refused("notNote");
  return { text: said.slice(0, blank + 1), signatures };
}

function signatureLine(line) {
  const space = line.indexOf(" ", 2);
  const name = line.slice(2, space);
  if (!line.startsWith("— ") || space < 0 || !isName(name)) throw new Refused("notNote");
  const value = unbase64(line.slice(space + 1));
  if (value.length <= 4) throw new Refused("notNote");
  return { name, id: hex(value.subarray(0, 4)), value: value.subarray(4) };
}

function parseCheckpoint(said) {
  const lines = said.split("\n");
  if (lines.length !== 4 || lines[3]) throw new Refused("notCheckpoint");
  const [origin, digits, encoded] = lines;
  const length = encoder.encode(origin).length;
  if (!length || length > 255 || !/^(0|[1-9][0-9]{0,18})$/.test(digits)) throw new Refused("notCheckpoint");
  const root = unbase64(encoded);
  const size = Number(digits);
  if (root.length !== HASH || size > MAX_NUMBER) throw new Refused("notCheckpoint");
  return { origin, size, root };
}

// A checkpoint of this ledger. An Unsigned one proves nothing and contradicts nothing; any other fault contradicts.
class Unsigned extends Refused {}

async function spoken(bytes, policy, origin) {
  const read = parseNote(bytes);
  const said = parseCheckpoint(read.text);
  for (const name of policy.names) {
    const by = ({ name: signer, id }) => policy.logs.some((key) => key.name === name && signer === name && key.id === id);
    if (!read.signatures.some(by)) throw new Unsigned("unsignedBy", name);
    if (!`${said.origin}/`.startsWith(`${name}/`)) throw new Unsigned("speaksForOthers", name);
  }
  const cosigned = Object.create(null);
  const signers = [];
  for (const signature of read.signatures) {
    const key = [...policy.logs, ...policy.witnesses].find(({ name, id }) => name === signature.name && id === signature.id);
    if (!key) continue;
    const time = await verifySignature(key, read.text, signature.value);
    if (time === null) signers.push(key);
    else cosigned[key.name] = Math.min(time, cosigned[key.name] ?? time);
  }
  if (said.size === 0 && !equal(said.root, await sha256(new Uint8Array()))) throw new Refused("notCheckpoint");
  if (said.origin !== origin) throw new Refused("otherLedger");
  if (policy.said) requireKeys(policy, signers, said);
  const witnessed = policy.quorum > 0 && Object.keys(cosigned).length >= policy.quorum;
  return { ...said, cosigned, assurance: witnessed ? "witnessed" : "self-attested" };
}

// The pasted keys, beside those of a policy's text and those that statements name.
async function policyOf(keys, said, statements) {
  const given = [];
  for (const key of keys) given.push(await parseKey(key));
  if (given.some(({ kind }) => kind !== SIGNS)) throw new Refused("witnessKey");
  const policy = said === null ? { logs: [], witnesses: [], quorum: 0 } : await parsePolicy(said);
  const known = statements === null ? null : await parseStatements(statements);
  for (const { key, named } of known?.values() ?? []) if (named) given.push(key);
  for (const key of given) if (!policy.logs.some((other) => other.text === key.text)) policy.logs.push(key);
  if (!policy.logs.length) throw new Refused("noKey");
  for (const key of known ? policy.logs : []) known.set(key.text, { named: new Map(), ...known.get(key.text), key });
  return checkedPolicy({ ...policy, said: known });
}

function checkedPolicy(policy) {
  const { logs, witnesses, quorum } = policy;
  if (logs.some(({ kind }) => kind !== SIGNS) || witnesses.some(({ kind }) => kind !== COSIGNS)) throw new Refused("wrongKind");
  const holders = new Map();
  for (const { publicKey, name, kind } of [...logs, ...witnesses]) {
    const holder = `${kind} ${name}`;
    if ((holders.get(hex(publicKey)) ?? holder) !== holder) throw new Refused("vouchesTwice");
    holders.set(hex(publicKey), holder);
  }
  if (quorum > new Set(witnesses.map(({ name }) => name)).size) throw new Refused("quorumTooLarge");
  return { ...policy, names: [...new Set(logs.map(({ name }) => name))].sort() };
}

async function parsePolicy(said) {
  const reading = { logs: [], witnesses: new Map(), groups: new Map(), quorum: null };
  if (said.length > MAX_POLICY) throw new Refused("policyLine", 0);
  const lines = said.split("\n");
  for (let index = 0; index < lines.length; index += 1) {
    const words = lines[index].split(/[ \t]+/).filter(Boolean);
    const controls = /[\x00-\x08\x0a-\x1f]/.test(lines[index]);
    if (controls || (words.length && !words[0].startsWith("#") && !(await policyLine(reading, words)))) {
      throw new Refused("policyLine", index + 1);
    }
  }
  const { logs, witnesses, groups, quorum } = reading;
  const keys = [...witnesses.values()];
  if (!logs.length || quorum === null || new Set(keys.map((key) => hex(key.publicKey))).size < keys.length) {
    throw new Refused("policyLine", lines.length);
  }
  if (quorum === "none") return checkedPolicy({ logs, witnesses: keys, quorum: 0 });
  const [count, members] = groups.get(quorum) ?? [1, [quorum]];
  return checkedPolicy({ logs, witnesses: members.map((name) => witnesses.get(name)), quorum: count });
}

// Whether it is a line of a policy.
async function policyLine(reading, [word, ...rest]) {
  const taken = (name) => name === "none" || reading.witnesses.has(name) || reading.groups.has(name);
  if (word === "log" && [1, 2].includes(rest.length)) {
    reading.logs.push(await parseKey(rest[0]));
  } else if (word === "witness" && [2, 3].includes(rest.length) && !taken(rest[0])) {
    reading.witnesses.set(rest[0], await parseKey(rest[1]));
  } else if (word === "group" && rest.length > 2 && !taken(rest[0])) {
    const [name, said, ...members] = rest;
    const words = new Map([["any", 1], ["all", members.length]]);
    const count = words.get(said) ?? (/^[1-9][0-9]{0,3}$/.test(said) ? Number(said) : 0);
    const known = new Set(members).size === members.length && members.every((each) => reading.witnesses.has(each));
    if (!known || !count || count > members.length) return false;
    reading.groups.set(name, [count, members]);
  } else if (word === "quorum" && rest.length === 1 && reading.quorum === null && taken(rest[0])) {
    reading.quorum = rest[0];
  } else {
    return false;
  }
  return true;
}
