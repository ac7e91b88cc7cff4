// The RFC 6962 tree: what is kept of a run of entries, and proofs.

const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);

// The fewest full subtrees over these entries: how many entries each holds.
function fullSubtrees(start, stop) {
  const sizes = [];
  while (start < stop) {
    let size = 1;
    while (size * 2 <= stop - start && start % (size * 2) === 0) size *= 2;
    sizes.push(size);
    start += size;
  }
  return sizes;
}

// A run of entries from the first of the ledger on, as its subtrees.
class CompactRange {
  constructor(stop, hashes) {
    this.end = 0;
    this.parts = [];
    fullSubtrees(0, stop).forEach((size, index) => this.parts.push({ size, hash: hashes[index] }));
    this.end = stop;
  }

  copy() {
    const made = new CompactRange(0, []);
    made.parts = [...this.parts];
    made.end = this.end;
    return made;
  }

  async append(hash, size = 1) {
    let part = { size, hash };
    this.end += size;
    for (let left = this.parts.at(-1); left && left.size === part.size; left = this.parts.at(-1)) {
      this.parts.pop();
      part = { size: part.size * 2, hash: await nodeHash(left.hash, part.hash) };
    }
    this.parts.push(part);
  }

  async join(stop, hashes) {
    const sizes = fullSubtrees(this.end, stop);
    for (let index = 0; index < sizes.length; index += 1) await this.append(hashes[index], sizes[index]);
  }

  async root() {
    if (!this.parts.length) return sha256(new Uint8Array());
    let result = this.parts.at(-1).hash;
    for (const part of this.parts.slice(0, -1).reverse()) result = await nodeHash(part.hash, result);
    return result;
  }
}

// A run of entries from anywhere on, as its subtrees.
class PartialRange {
  constructor(start) {
    this.end = start;
    this.parts = [];
  }

  async append(hash) {
    let part = { size: 1, hash, at: this.end };
    this.end += 1;
    for (let left = this.parts.at(-1); left && left.size === part.size && left.at % (2 * left.size) === 0; left = this.parts.at(-1)) {
      this.parts.pop();
      part = { size: 2 * part.size, hash: await nodeHash(left.hash, part.hash), at: left.at };
    }
    this.parts.push(part);
  }

  is(bytes) {
    return bytes.length === 16 + 32 * this.parts.length
      && this.parts.every(({ hash }, index) => equal(hash, bytes.subarray(16 + 32 * index, 48 + 32 * index)));
  }
}

// RFC 9162, 2.1.3.2: whether this is the hash of the entry under the root.
async function isIncluded(index, size, leaf, proof, root) {
  if (index >= size) return false;
  let [first, last, result] = [index, size - 1, leaf];
  const up = () => {
    first = Math.floor(first / 2);
    last = Math.floor(last / 2);
  };
  for (const sibling of proof) {
    if (last === 0) return false;
    if (first % 2 || first === last) {
      result = await nodeHash(sibling, result);
      while (first % 2 === 0 && first) up();
    } else {
      result = await nodeHash(result, sibling);
    }
    up();
  }
  return last === 0 && equal(result, root);
}
