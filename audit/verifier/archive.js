// Zip archives as evidence bundles use them; whatever is written in another way is refused.

const MAX_MEMBER = 16 << 20;
const MAX_RATIO = 100;
const FREE = 1 << 16;
const NAME = /^[a-z0-9][a-z0-9-]{0,39}(\/[a-z0-9][a-z0-9-]{0,39})?\.[a-z]{1,8}$/;
const STORED = 0;
const DEFLATED = 8;

const CRC = new Uint32Array(256).map((_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC[(value ^ byte) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

function packed(...fields) {
  const bytes = new Uint8Array(fields.reduce((size, [width]) => size + width, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return bytes;
}

const shorts = (...values) => values.map((value) => [2, value]);
const longs = (...values) => values.map((value) => [4, value]);

function localHeader({ name, method, crc, size, packedSize }) {
  const fields = [...shorts(20, 0, method, 0, 0x21), ...longs(crc, packedSize, size), ...shorts(name.length, 0)];
  return joined(packed(...longs(0x04034b50), ...fields), encoder.encode(name));
}

function centralHeader({ name, method, crc, size, packedSize, offset }) {
  const fields = [...shorts(0x0314, 20, 0, method, 0, 0x21), ...longs(crc, packedSize, size), ...shorts(name.length)];
  const end = [...shorts(0, 0, 0, 0), ...longs((0o100644 << 16) >>> 0, offset)];
  return joined(packed(...longs(0x02014b50), ...fields, ...end), encoder.encode(name));
}

const plausible = (packedSize, size) => size <= FREE + packedSize * MAX_RATIO;

// The members of an archive by name, in their order.
async function openArchive(file) {
  if (file.size < 22) throw new Refused("notArchive");
  const slice = async (start, stop) => new Uint8Array(await file.slice(start, stop).arrayBuffer());
  const end = new DataView((await slice(file.size - 22, file.size)).buffer);
  const [count, size, begin] = [end.getUint16(10, true), end.getUint32(12, true), end.getUint32(16, true)];
  const others = [end.getUint16(4, true), end.getUint16(6, true), end.getUint16(20, true)];
  if (end.getUint32(0, true) !== 0x06054b50 || others.some(Boolean) || end.getUint16(8, true) !== count) {
    throw new Refused("notArchive");
  }
  if (begin + size + 22 !== file.size || size > count * (46 + 96)) throw new Refused("listPlace");
  const list = await slice(begin, begin + size);
  const members = new Map();
  let at = 0;
  let offset = 0;
  for (let index = 0; index < count; index += 1) {
    const member = memberAt(list, at, offset);
    if (members.has(member.name)) throw new Refused("nameTwice");
    members.set(member.name, member);
    at += centralHeader(member).length;
    offset += localHeader(member).length + member.packedSize;
  }
  if (at !== list.length || offset !== begin) throw new Refused("unlisted");
  return { members, read: (name) => readMember(slice, members.get(name)) };
}

function memberAt(list, at, offset) {
  if (list.length < at + 46) throw new Refused("listPlace");
  const view = new DataView(list.buffer, list.byteOffset + at);
  const length = view.getUint16(28, true);
  const name = String.fromCharCode(...list.subarray(at + 46, at + 46 + Math.min(length, 100)));
  if (!NAME.test(name)) throw new Refused("badName");
  const member = {
    name,
    method: view.getUint16(10, true),
    crc: view.getUint32(16, true),
    packedSize: view.getUint32(20, true),
    size: view.getUint32(24, true),
    offset,
  };
  const written = centralHeader(member);
  if (!equal(list.subarray(at, at + written.length), written) || ![STORED, DEFLATED].includes(member.method)) {
    throw new Refused("otherHeader", name);
  }
  if (member.size > MAX_MEMBER || !plausible(member.packedSize, member.size)) throw new Refused("unpacksTooFar", name);
  return member;
}

async function readMember(slice, member) {
  const header = localHeader(member);
  const start = member.offset + header.length;
  if (!equal(await slice(member.offset, start), header)) throw new Refused("headersDiffer", member.name);
  let content = await slice(start, start + member.packedSize);
  if (member.method === DEFLATED) content = await inflated(content, member);
  if (content.length !== member.size) throw new Refused("otherSize", member.name);
  if (crc32(content) !== member.crc) throw new Refused("damaged", member.name);
  return content;
}

// Stops as soon as there is more than the member says.
async function inflated(bytes, member) {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const content = new Uint8Array(member.size);
  let at = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return content.subarray(0, at);
      if (at + value.length > member.size) break;
      content.set(value, at);
      at += value.length;
    }
  } catch {
    throw new Refused("damaged", member.name);
  }
  reader.cancel().catch(() => {});
  throw new Refused("otherSize", member.name);
}
