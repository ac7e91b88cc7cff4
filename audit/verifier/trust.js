// Which keys of a log count for which checkpoints, as audit/key_statements.py has it.

const MAX_STATEMENTS = 1 << 20;
const SAID = ["named", "retired", "compromised"];

// What the lines of a file say of each key, by the key as text; of each word the sizes by origin.
async function parseStatements(bytes) {
  if (bytes.length > MAX_STATEMENTS) throw new Refused("keysLine", 0);
  const lines = decoded(bytes).split("\n");
  if (lines.pop() !== "" || !lines.length) throw new Refused("keysLine", lines.length);
  const said = new Map();
  for (const [index, line] of lines.entries()) {
    try {
      const { key, word, sizes } = await parseStatement(line);
      const known = said.get(key.text) ?? { key };
      if (known[word]) throw new Refused("nameTwice");
      said.set(key.text, { ...known, [word]: sizes });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      throw new Refused("keysLine", index + 1);
    }
  }
  return said;
}

async function parseStatement(line) {
  const { key, statement, sizes } = shaped(loaded(line), "key statement sizes");
  if (!SAID.includes(statement) || !isObject(sizes)) throw new Refused("notShaped");
  const entries = Object.entries(sizes).sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [, size] of entries) number(size);
  const again = JSON.stringify({ key, statement, sizes: Object.fromEntries(entries) });
  const ascii = again.replace(/[\x7f-\uffff]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
  if (ascii !== line) throw new Refused("otherJson");
  return { key: await parseKey(text(key)), word: statement, sizes: new Map(entries) };
}

// Raises Unsigned where only compromised keys signed, Refused where a retired one did.
function requireKeys(policy, signers, { origin, size }) {
  for (const name of policy.names) {
    const found = signers.filter((key) => key.name === name).map((key) => policy.said.get(key.text));
    if (found.some((said) => counts(said, origin, size))) continue;
    if (found.every(({ compromised }) => compromised)) throw new Unsigned("compromisedOnly", name);
    throw new Refused("retiredBefore", name);
  }
}

// Whether this key's signature alone vouches for a ledger's first entries.
function counts({ named, retired, compromised }, origin, size) {
  return Boolean(named) && [retired, compromised].every((limit) => !limit || size <= (limit.get(origin) ?? 0));
}
