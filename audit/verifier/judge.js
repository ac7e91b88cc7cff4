// Judges entries, their events and what was signed of them, as audit/evidence_report.py does: the same verdicts, places and kinds.

const CAP = 100;
const RANK = ["unsigned", "self-attested", "witnessed"];
const VERSION = "itm-ledger-entry/v1";
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
    this.cosigned = Object.create(null);
    this.size = null;
    this.claims = async () => [];
    this.purges = null;
    this.used = new Map();
    this.told = new Set();
  }

  // Whether this entry's event may be missing, as far as a later one claims that it was purged.
  async forgives(seq) {
    this.purges ??= await this.claims();
    const purge = this.purges.find(({ first, stop }) => first <= seq && seq < stop);
    if (purge && !this.used.has(purge.seq)) this.used.set(purge.seq, { purge, since: seq });
    return Boolean(purge);
  }

  // The hashes of a purged range are those that its entry names.
  async passed({ seq, hash }) {
    const purge = (this.purges ?? []).find(({ first, stop }) => first <= seq && seq < stop);
    if (!purge) return;
    if (seq === purge.first) purge.range = new PartialRange(seq);
    if (!purge.range || purge.range.end !== seq) return;
    await purge.range.append(hash);
    if (seq + 1 === purge.stop && !purge.range.is(purge.hashes)) this.report(purge.first, "purge", "purgedOther", purge.seq);
  }

  settle() {
    for (const { purge, since } of this.used.values()) {
      if (!this.told.has(purge.seq)) this.report(since, "purge", "purgedBy", purge.seq);
    }
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
    await this.passed(entry);
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
    if (!event) {
      if (inside && !chooses(this.asked) && !(await this.forgives(seq))) this.report(seq, "event", "eventMissing");
      return null;
    }
    const before = this.found;
    if (!equal(commitment, await event.ofContent)) this.report(seq, "content", "content");
    let said = null;
    try {
      said = meaning(event.content);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return this.report(seq, "content", "contentUnread");
    }
    if (said.id !== event.id) this.report(seq, "event", "eventOther");
    if (!(inside && matches(this.asked, said)) && !said.purge) this.report(seq, "filter", "filter");
    if (said.purge && this.found === before) {
      if (said.purge === "unread" || said.purge.stop > seq) this.report(seq, "content", "contentUnread");
      else this.told.add(seq);
    }
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
      purged: [...this.used.values()].filter(({ purge }) => this.told.has(purge.seq)).map(({ purge }) => purge)
        .sort((one, other) => one.seq - other.seq).map(({ first, stop, seq }) => ({ first, last: stop - 1, seq })),
    };
  }
}

function unreadable(error, kind = "unread") {
  return {
    kind: "unknown", origin: null, verdict: "cannot tell", assurance: "unsigned", first: null, leaves: 0, events: 0,
    withheld: 0, size: null, cosigned: {}, first_broken: null, found: 0, purged: [],
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
