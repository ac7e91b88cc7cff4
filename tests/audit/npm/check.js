// Asks npm's @transmute/rfc9162 the questions on standard input, one JSON object a line; answers in the same way.
"use strict";
const { CoMETRE, RFC9162 } = require("@transmute/rfc9162");

const tree = CoMETRE.RFC9162_SHA256;
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const base64 = (hash) => Buffer.from(hash).toString("base64");
const entries = (size) => Array.from({ length: size }, (_, number) => new Uint8Array(Buffer.from(String(number))));
const leaves = (size) => Promise.all(entries(size).map(tree.leaf));
const first = (asked) => ({ tree_size: asked.Old, leaf_index: 0, inclusion_path: [], log_id: "" });

const ANSWERS = {
  root: async (asked) => base64(await tree.root(await leaves(asked.Size))),
  "prove inclusion": async (asked) =>
    (await tree.inclusion_proof(asked.Index, await leaves(asked.Size))).inclusion_path.map(base64),
  "prove consistency": async (asked) =>
    (await tree.consistency_proof(first(asked), await leaves(asked.Size))).consistency_path.map(base64),
  inclusion: (asked) =>
    RFC9162.verifyInclusionProof(bytes(asked.Root), bytes(asked.Leaf), {
      log_id: "", tree_size: asked.Size, leaf_index: asked.Index, inclusion_path: asked.Proof.map(bytes),
    }),
  consistency: (asked) =>
    RFC9162.verifyConsistencyProof(bytes(asked.OldRoot), bytes(asked.Root), {
      log_id: "", tree_size_1: asked.Old, tree_size_2: asked.Size, consistency_path: asked.Proof.map(bytes),
    }),
};

(async () => {
  for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    const asked = JSON.parse(line);
    console.log(JSON.stringify(await ANSWERS[asked.Kind](asked)));
  }
})();
