// Judges a bundle or a proof, as audit/bundle_judge.py and audit/proof.py do: the same verdicts, places and kinds.

const CAP = 100;
const AHEAD = 256;
const RANK = ["unsigned", "self-attested", "witnessed"];
const FORMAT = "itm-evidence/v1";
const VERSION = "itm-ledger-entry/v1";
const PROOF = "c2sp.org/tlog-proof@v1";
const MAX_PROOF = 8 << 20;
const [MANIFEST, CHECKPOINTS] = ["manifest.json", "checkpoints.jsonl"];
const FILE = /^((leaves|events)\/[0-9]{6}\.jsonl|checkpoints\.jsonl|policy\.txt|timestamps\/[a-z0-9-]{1,40}\.tsr)$/;
const TIME = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$/;

// What came to light of a run of entries, fed in order.
class Judge {
  constructor(origin, first, stop, asked) {
    Object.assign(this, { origin, first, stop, asked });
    this.found = 0;
    this.findings = [];
    this.reasons = [];
    this.broken = null;
    this.since = null;
    this.checked = 0;
    this.expected = first;
    this.prev = first ? null : new Uint8Array(HASH);
    this.recordedAt = null;
    this.assurance = "unsigned";
    this.cosigned = {};
    this.size = null;
  }

  report(seq, kind, code, ...values) {
    this.found += 1;
    if (seq !== null) this.broken = this.broken === null ? seq : Math.min(this.broken, seq);
    this.keep(seq, kind, code, values);
  }

  // A root that was signed is another: of a range, and the place only where nothing else tells one.
  contradicted(seq, code, ...values) {
    this.found += 1;
    this.since = this.since === null ? seq : Math.min(this.since, seq);
    this.keep(seq, "signed", code, values);
  }

  keep(seq, kind, code, values) {
    if (this.findings.length < CAP) this.findings.push({ seq, kind, code, values });
  }

  cannot(kind, code, ...values) {
    if (this.reasons.length < CAP) this.reasons.push({ seq: null, kind, code, values });
  }

  vouch(signed) {
    this.size = Math.max(this.size ?? 0, signed.size);
    if (RANK.indexOf(signed.assurance) > RANK.indexOf(this.assurance)) this.assurance = signed.assurance;
    Object.assign(this.cosigned, signed.cosigned);
  }

  missing(stop) {
    this.report(this.expected, "missing", "missing", this.expected, stop - 1);
    this.prev = null;
    this.expected = stop;
  }

  // The next entry stands here, and cannot be read.
  unread() {
    this.report(this.expected, "leaf", "leafUnread");
    this.checked += 1;
    this.expected += 1;
    this.prev = null;
    this.recordedAt = null;
  }

  async feed(entry) {
    this.checked += 1;
    if (entry.seq > this.expected) this.missing(entry.seq);
    else if (entry.seq < this.expected) this.report(entry.seq, "order", "order");
    await this.checkLeaf(entry);
    await this.checkEvent(entry);
    this.expected = entry.seq + 1;
    this.prev = entry.hash;
    this.recordedAt = entry.recordedAt;
  }

  async checkLeaf(entry) {
    const { seq, recordedAt, prev, hash } = entry;
    if (this.prev !== null && !equal(prev, this.prev)) this.report(seq, "link", "link");
    if (!equal(hash, await entry.ofFrame)) this.report(seq, "hash", "hash");
    if (!TIME.test(recordedAt)) this.report(seq, "time", "timeMalformed");
    else if (this.recordedAt !== null && recordedAt < this.recordedAt) this.report(seq, "time", "timeBefore");
  }

  async checkEvent({ seq, recordedAt, commitment, event }) {
    const inside = !isBefore(this.asked, seq, recordedAt) && !isAfter(this.asked, seq, recordedAt);
    if (event === "unread") return this.report(seq, "event", "eventUnread");
    if (!event) return inside && !chooses(this.asked) && this.report(seq, "event", "eventMissing");
    if (!equal(commitment, await event.ofContent)) this.report(seq, "content", "content");
    let said = null;
    try {
      said = meaning(event.content);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return this.report(seq, "content", "contentUnread");
    }
    if (said.id !== event.id) this.report(seq, "event", "eventOther");
    if (!inside || !matches(this.asked, said)) this.report(seq, "filter", "filter");
    return null;
  }

  conclude(kind, events) {
    return {
      kind,
      origin: this.origin,
      verdict: this.found ? "tampered" : this.reasons.length ? "cannot tell" : "intact",
      assurance: this.assurance,
      first: this.first,
      leaves: this.checked,
      events,
      withheld: this.checked - events,
      size: this.size,
      cosigned: this.cosigned,
      first_broken: this.broken ?? this.since,
      findings: [...this.findings, ...this.reasons],
      found: this.found,
    };
  }
}

function unreadable(error, kind = "unread") {
  return {
    kind: "unknown", origin: null, verdict: "cannot tell", assurance: "unsigned", first: null, leaves: 0, events: 0,
    withheld: 0, size: null, cosigned: {}, first_broken: null, found: 0,
    findings: [{ seq: null, kind, code: error.code, values: error.values }],
  };
}

function frameOf(origin, { seq, recordedAt, prev, commitment }) {
  return `${[VERSION, origin, seq, recordedAt, base64(prev), base64(commitment)].join("\n")}\n`;
}

const leafHash = (origin, entry) => sha256(Uint8Array.of(0), encoder.encode(frameOf(origin, entry)));

const hashedEntry = (origin, line) => {
  const entry = readEntry(line);
  return { ...entry, ofFrame: leafHash(origin, entry) };
};

const hashedEvent = (line) => committed(readEvent(line));

const committed = (event) => ({ ...event, ofContent: sha256(event.salt, encoder.encode(event.content)) });

const chooses = ({ target, actor }) => target !== null || actor !== null;

const isBefore = ({ from }, seq, at) => from !== null && (typeof from === "string" ? at < from : seq < from);

const isAfter = ({ to }, seq, at) => to !== null && (typeof to === "string" ? at > to : seq > to);

function matches({ target, actor }, said) {
  if (actor !== null && !said.names.includes(actor)) return false;
  if (target === null) return true;
  return (said.target[0] === target.kind && said.target[1] === target.id) || said.subjects.includes(target.id);
}

function parseManifest(bytes) {
  const said = shaped(readLine(bytes), "format origin first leaves events filter before files");
  const asked = shaped(said.filter, "from to target actor");
  if (asked.target !== null) shaped(asked.target, "kind id");
  const filter = {
    from: bound(asked.from),
    to: bound(asked.to),
    target: asked.target === null ? null : { kind: text(asked.target.kind), id: text(asked.target.id) },
    actor: asked.actor === null ? null : text(asked.actor),
  };
  const manifest = {
    origin: text(said.origin), first: number(said.first), leaves: number(said.leaves), events: number(said.events),
    filter, before: hashes(said.before), files: new Map(),
  };
  manifest.stop = manifest.first + manifest.leaves;
  if (said.format !== FORMAT || manifest.stop > MAX_NUMBER) throw new Refused("otherFormat");
  if (manifest.before.length !== fullSubtrees(0, manifest.first).length) throw new Refused("otherFormat");
  const counts = { leaves: 0, events: 0 };
  for (const each of listed(said.files)) {
    const { name, bytes: size, sha256: digest } = shaped(each, "name bytes sha256");
    const kind = text(name).split("/")[0];
    if (!FILE.test(name) || !/^[0-9a-f]{64}$/.test(text(digest)) || number(size) > MAX_MEMBER) throw new Refused("otherFile");
    if (manifest.files.has(name)) throw new Refused("nameTwice");
    if (Object.hasOwn(counts, kind) && name !== `${kind}/${String(counts[kind]++).padStart(6, "0")}.jsonl`) {
      throw new Refused("otherFile");
    }
    manifest.files.set(name, { size, digest });
  }
  return manifest;
}

function bound(said) {
  if (said === null) return null;
  if (typeof said === "string" && !TIME.test(said)) throw new Refused("notTime");
  return typeof said === "string" ? said : number(said);
}

// One bundle, from its files to what can be said.
class BundleReading {
  constructor(archive, manifest, policy) {
    Object.assign(this, { archive, manifest, policy });
    this.judge = new Judge(manifest.origin, manifest.first, manifest.stop, manifest.filter);
    this.range = new CompactRange(manifest.first, manifest.before);
    this.since = manifest.first;
    this.whole = true;
    this.marks = new Map();
    this.events = 0;
    this.coming = this.readEvents();
    this.signed = [];
    this.outside = null;
    this.unsigned = [];
    this.ends = new Map();
  }

  async compareFiles() {
    const { files } = this.manifest;
    const names = [...files.keys(), MANIFEST];
    const there = [...this.archive.members.keys()];
    for (const name of names) if (!this.archive.members.has(name)) this.judge.report(null, "file", "fileMissing", name);
    for (const name of there) if (!names.includes(name)) this.judge.report(null, "file", "fileUnnamed", name);
    if (!this.judge.found && names.join(" ") !== there.join(" ")) this.judge.report(null, "file", "fileOrder");
    for (const name of files.keys()) {
      if (!/^(leaves|events)\//.test(name) && name !== CHECKPOINTS) await this.content(name);
    }
  }

  async readCheckpoints() {
    const { first, stop, origin, files } = this.manifest;
    let size = -1;
    for (const line of linesOf(files.has(CHECKPOINTS) ? await this.content(CHECKPOINTS) : new Uint8Array())) {
      if (this.signed.length + this.unsigned.length >= 1000) return this.judge.cannot("checkpoint", "tooManyCheckpoints");
      try {
        const said = readSigned(line);
        const signed = await spoken(encoder.encode(said.note), this.policy, origin);
        if (signed.size < Math.max(size + 1, first)) throw new Refused("checkpointOrder");
        if (said.after.length && signed.size <= stop) throw new Refused("checkpointAfter");
        size = signed.size;
        this.signed.push({ signed, after: said.after });
        if (size <= stop) this.mark(signed);
      } catch (error) {
        if (error instanceof Unsigned) this.unsigned.push(error);
        else if (error instanceof Refused) this.judge.report(null, "checkpoint", error.code, ...error.values);
        else throw error;
      }
    }
    return null;
  }

  async readOutside(bytes) {
    const { first, stop, origin } = this.manifest;
    try {
      this.outside = await spoken(bytes, this.policy, origin);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return this.judge.cannot("outside", error.code, ...error.values);
    }
    const { size } = this.outside;
    if (size >= first && size <= stop) this.mark(this.outside);
    else if (!this.signed.some(({ signed }) => signed.size === size)) this.judge.cannot("outside", "outsideElsewhere", size);
    return null;
  }

  mark(signed) {
    this.marks.set(signed.size, [...(this.marks.get(signed.size) ?? []), signed]);
  }

  async readEntries(progress) {
    const { manifest, judge } = this;
    await this.compareMark();
    await this.advance();
    for await (const leaf of this.readLines("leaves", (line) => hashedEntry(manifest.origin, line))) {
      if (leaf === "unread") {
        await this.eventOf(judge.expected);
        judge.unread();
        continue;
      }
      if (leaf.seq >= manifest.stop) judge.report(leaf.seq, "order", "past");
      if (leaf.seq === manifest.first || leaf.seq === manifest.stop - 1) this.ends.set(leaf.seq, leaf.recordedAt);
      leaf.event = await this.eventOf(leaf.seq);
      await judge.feed(leaf);
      await this.grow(leaf);
      if (judge.checked % 1000 === 0) await progress(judge.checked, manifest.leaves);
    }
    if (judge.expected < manifest.stop) judge.missing(manifest.stop);
  }

  async grow(leaf) {
    if (!this.whole || leaf.seq !== this.range.end) {
      this.whole = false;
      return;
    }
    await this.range.append(leaf.hash);
    await this.compareMark();
  }

  async compareMark() {
    const marks = this.marks.get(this.range.end) ?? [];
    if (!marks.length) return;
    const root = await this.range.root();
    if (marks.every((signed) => equal(signed.root, root))) {
      this.since = this.range.end;
    } else {
      this.whole = false;
      this.judge.contradicted(this.since, "signed", this.since);
    }
  }

  async compareEvents() {
    while (this.next !== null) {
      this.judge.report(this.next === "unread" ? null : this.next.seq, "event", "eventAlone");
      await this.advance();
    }
    if (this.events !== this.manifest.events) this.judge.report(null, "manifest", "counts", this.manifest.events, this.events);
  }

  async compareRoots() {
    const { stop } = this.manifest;
    if (!this.whole || this.range.end !== stop) return;
    const covering = this.signed.filter(({ signed }) => signed.size >= stop);
    if (this.outside) {
      const { size } = this.outside;
      const beside = this.signed.filter(({ signed }) => signed.size === size);
      if (size === stop || (size > stop && beside.length)) {
        covering.push({ signed: this.outside, after: beside.length ? beside[0].after : [] });
      }
    }
    for (const { signed, after } of covering) {
      if (after.length !== fullSubtrees(stop, signed.size).length) {
        this.judge.cannot("checkpoint", "otherSubtrees", signed.size);
        continue;
      }
      const grown = this.range.copy();
      await grown.join(signed.size, after);
      if (equal(await grown.root(), signed.root)) this.judge.vouch(signed);
      else this.judge.contradicted(this.since, "signed", this.since);
    }
    if (this.judge.assurance === "unsigned") {
      this.judge.cannot("unsigned", "uncovered");
      for (const { code, values } of this.unsigned.slice(0, 3)) this.judge.cannot("key", code, ...values);
    }
  }

  compareRange() {
    const { filter, first, stop, leaves } = this.manifest;
    const starts = first === 0 || (this.ends.has(first) && isBefore(filter, first, this.ends.get(first)));
    if (!starts && (this.ends.has(first) || !leaves)) this.judge.report(first, "range", "rangeBefore");
    const size = this.signed.length ? Math.max(...this.signed.map(({ signed }) => signed.size)) : stop;
    const ends = size <= stop || (this.ends.has(stop - 1) && isAfter(filter, stop - 1, this.ends.get(stop - 1)));
    if (!ends && (this.ends.has(stop - 1) || !leaves)) this.judge.report(stop, "range", "rangeAfter");
  }

  async eventOf(seq) {
    while (this.next !== null && this.next !== "unread" && this.next.seq < seq) {
      this.judge.report(this.next.seq, "event", "eventAlone");
      await this.advance();
    }
    const found = this.next;
    if (found !== null && found !== "unread" && found.seq !== seq) return null;
    await this.advance();
    return found;
  }

  async advance() {
    const { done, value } = await this.coming.next();
    this.next = done ? null : value;
  }

  async *readEvents() {
    for await (const event of this.readLines("events", hashedEvent)) {
      this.events += 1;
      yield event;
    }
  }

  // Each line of the files of a kind as `read` makes it, or "unread". Some are read ahead, so that their hashes are under way.
  async *readLines(kind, read) {
    for (const name of this.named(kind)) {
      let ahead = [];
      for (const line of linesOf(await this.content(name))) {
        try {
          ahead.push(read(line));
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
          ahead.push("unread");
        }
        if (ahead.length === AHEAD) {
          yield* ahead;
          ahead = [];
        }
      }
      yield* ahead;
    }
  }

  named(kind) {
    return [...this.manifest.files.keys()].filter((name) => name.startsWith(`${kind}/`));
  }

  async content(name) {
    if (!this.archive.members.has(name)) return new Uint8Array();
    const bytes = await this.archive.read(name);
    const { size, digest } = this.manifest.files.get(name);
    if (bytes.length !== size || hex(await sha256(bytes)) !== digest) this.judge.report(null, "file", "fileOther", name);
    return bytes;
  }
}

async function judgeBundle(file, policy, outside, progress) {
  let reading = null;
  try {
    const archive = await openArchive(file);
    if (!archive.members.has(MANIFEST)) throw new Refused("noManifest");
    reading = new BundleReading(archive, parseManifest(await archive.read(MANIFEST)), policy);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return unreadable(error);
  }
  try {
    await reading.compareFiles();
    await reading.readCheckpoints();
    if (outside !== null) await reading.readOutside(outside);
    await reading.readEntries(progress);
    await reading.compareEvents();
    await reading.compareRoots();
    reading.compareRange();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    reading.judge.cannot("unread", error.code, ...error.values);
  }
  return reading.judge.conclude("bundle", reading.events);
}

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
async function judgeFile(file, { keys, policy, checkpoint }, progress) {
  let known = null;
  try {
    known = await policyOf(keys, policy === null ? null : decoded(policy));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return unreadable(error, "asked");
  }
  if (!(await canVerify())) return unreadable(new Refused("browser"), "browser");
  const start = new Uint8Array(await file.slice(0, PROOF.length).arrayBuffer());
  if (!equal(start, encoder.encode(PROOF))) return judgeBundle(file, known, checkpoint, progress);
  return judgeProof(new Uint8Array(await file.slice(0, MAX_PROOF + 1).arrayBuffer()), known, checkpoint);
}
