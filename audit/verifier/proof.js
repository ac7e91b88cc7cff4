// Reads and judges one entry's proof, as audit/proof.py does; and tells a proof from a bundle.

const PROOF = "c2sp.org/tlog-proof@v1";
const MAX_PROOF = 8 << 20;

function parseProof(bytes) {
  const blank = bytes.findIndex((byte, at) => byte === 10 && bytes[at + 1] === 10);
  if (blank < 0 || bytes.length > MAX_PROOF) throw new Refused("notProof");
  const [header, extra, index, ...path] = decoded(bytes.subarray(0, blank)).split("\n");
  const found = /^index (0|[1-9][0-9]{0,15})$/.exec(index ?? "");
  if (header !== PROOF || !extra?.startsWith("extra ") || !found || path.length > 63) throw new Refused("notProof");
  const said = shaped(readLine(unbase64(extra.slice(6))), "frame event");
  const [version, origin, seq, recordedAt, prev, commitment, ...end] = text(said.frame).split("\n");
  if (version !== VERSION || end.join() !== "" || end.length !== 1 || seq !== found[1]) throw new Refused("notProof");
  const entry = { seq: number(Number(seq)), recordedAt, prev: hash32(prev), commitment: hash32(commitment), event: null };
  if (said.event !== null) {
    const { id, salt, content } = shaped(said.event, "id salt content");
    entry.event = committed({ id: text(id), salt: hash32(salt), content: text(content) });
  }
  return { origin, entry, path: hashes(path), checkpoint: bytes.subarray(blank + 2) };
}

async function judgeProof(bytes, policy, outside) {
  let proof = null;
  try {
    proof = parseProof(bytes);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return unreadable(error);
  }
  const { origin, entry, path } = proof;
  const asked = { from: null, to: null, target: null, actor: entry.event ? null : "" };
  const judge = new Judge(origin, entry.seq, entry.seq + 1, asked);
  if (!entry.event) judge.cannot("event", "eventMissing");
  entry.ofFrame = leafHash(origin, entry);
  entry.hash = await entry.ofFrame;
  await judge.feed(entry);
  try {
    const signed = await spoken(proof.checkpoint, policy, origin);
    if (await isIncluded(entry.seq, signed.size, entry.hash, path, signed.root)) judge.vouch(signed);
    else judge.report(entry.seq, "signed", "notIncluded");
  } catch (error) {
    if (error instanceof Unsigned) judge.cannot("key", error.code, ...error.values);
    else if (error instanceof Refused) judge.report(null, "checkpoint", error.code, ...error.values);
    else throw error;
  }
  if (outside !== null) await compareOutside(judge, proof, policy, outside);
  return judge.conclude("proof", entry.event ? 1 : 0);
}

async function compareOutside(judge, { origin, entry, path }, policy, outside) {
  try {
    const kept = await spoken(outside, policy, origin);
    if (await isIncluded(entry.seq, kept.size, entry.hash, path, kept.root)) return;
    if (kept.size === judge.size) judge.report(entry.seq, "signed", "notIncluded");
    else judge.cannot("outside", "outsideElsewhere", kept.size);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    judge.cannot("outside", error.code, ...error.values);
  }
}

// A bundle or a proof; anything else is "cannot tell".
async function judgeFile(file, { keys, policy, statements, checkpoint }, progress) {
  let known = null;
  try {
    known = await policyOf(keys, policy === null ? null : decoded(policy), statements);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return unreadable(error, "asked");
  }
  if (!(await canVerify())) return unreadable(new Refused("browser"), "browser");
  const start = new Uint8Array(await file.slice(0, PROOF.length).arrayBuffer());
  if (!equal(start, encoder.encode(PROOF))) return judgeBundle(file, known, checkpoint, progress);
  return judgeProof(new Uint8Array(await file.slice(0, MAX_PROOF + 1).arrayBuffer()), known, checkpoint);
}
