// Reads and judges a bundle, as audit/bundle.py and audit/bundle_judge.py do.

const AHEAD = 256;
const FORMAT = "itm-evidence/v1";
const [MANIFEST, CHECKPOINTS] = ["manifest.json", "checkpoints.jsonl"];
const FILE = /^((leaves|events)\/[0-9]{6}\.jsonl|checkpoints\.jsonl|policy\.txt|timestamps\/[a-z0-9-]{1,40}\.tsr)$/;

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
    this.judge.claims = () => this.readPurges();
  }

  // What the events say was purged; they come after what they speak of, so all are looked through.
  async readPurges() {
    const found = [];
    for (const name of this.named("events")) {
      const content = this.archive.members.has(name) ? await this.archive.read(name) : new Uint8Array();
      for (const line of linesOf(content)) {
        if (!new TextDecoder().decode(line).includes(PURGE)) continue;
        try {
          const { seq, content: said } = readEvent(line);
          const { purge } = meaning(said);
          if (purge && purge !== "unread" && purge.stop <= seq) found.push({ ...purge, seq });
        } catch (error) {
          if (!(error instanceof Refused)) throw error;
        }
      }
    }
    return found;
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
    judge.settle();
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
