// The page: takes files and keys, shows what was found. Whatever was read is shown as text only.

const at = (id) => document.getElementById(id);
let language = (navigator.language || "tr").startsWith("en") ? "en" : "tr";
let report = null;
let evidence = null;
let run = 0;

const word = () => WORDS[language];

function speak() {
  document.documentElement.lang = language;
  document.title = word().title;
  for (const element of document.querySelectorAll("[data-word]")) element.textContent = word()[element.dataset.word];
  at("language").lang = language === "tr" ? "en" : "tr";
  at("chosen").textContent = evidence ? word().chosen(evidence.name) : "";
  if (report) show();
}

function fact(name, value) {
  const [term, said] = [document.createElement("dt"), document.createElement("dd")];
  term.textContent = word().facts[name];
  said.textContent = value;
  at("facts").append(term, said);
}

function told({ seq, code, values }) {
  const said = word()[code](...values);
  return seq === null ? said : `${word().place(seq)}: ${said}`;
}

function when(seconds) {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? "?" : date.toLocaleString(language, { timeZone: "Europe/Istanbul", timeZoneName: "short" });
}

function show() {
  const { verdict, assurance, origin, first, leaves, events, withheld, size, cosigned, first_broken: broken } = report;
  at("result").className = verdict.replace(" ", "-");
  at("verdict").textContent = `${word().result}: ${word().verdict[verdict]}`;
  at("means").textContent = word().verdictMeans[verdict];
  at("facts").replaceChildren();
  fact("assurance", word().assurance[assurance]);
  if (origin !== null) {
    fact("origin", origin);
    fact("entries", leaves ? `${leaves} (${word().range(first, first + leaves - 1)})` : "0");
    fact("events", events);
    fact("withheld", withheld);
  }
  for (const gone of report.purged) fact("purged", word().purgedFact(gone.first, gone.last, gone.seq));
  if (size !== null) fact("size", size);
  for (const [name, seconds] of Object.entries(cosigned)) fact("cosigned", `${name}, ${when(seconds)}`);
  if (broken !== null) fact("first_broken", broken);
  at("note").hidden = !withheld;
  at("found").hidden = !report.findings.length;
  at("findings").replaceChildren(...report.findings.map((finding) => item(told(finding))));
  if (report.found > CAP) at("findings").append(item(word().more(report.found - CAP)));
  const findings = report.findings.map((finding) => ({ seq: finding.seq, kind: finding.kind, detail: WORDS.en[finding.code](...finding.values) }));
  at("report").textContent = JSON.stringify({ ...report, findings }, null, 2);
  at("result").hidden = false;
}

function item(said) {
  const element = document.createElement("li");
  element.textContent = said;
  return element;
}

const bytesOf = async (input, most) => {
  const file = input.files[0];
  return file ? new Uint8Array(await file.slice(0, most + 1).arrayBuffer()) : null;
};

async function verify() {
  const mine = (run += 1);
  report = null;
  at("result").hidden = true;
  if (!evidence) {
    at("status").textContent = word().noFile;
    return;
  }
  const progress = async (done, total) => {
    if (mine !== run) throw new Error("another file was chosen");
    at("status").textContent = word().working(done, total);
    await new Promise((resume) => setTimeout(resume));
  };
  try {
    await progress(0, "…");
    const keys = at("keys").value.split("\n").map((line) => line.trim()).filter(Boolean);
    const given = {
      keys,
      policy: await bytesOf(at("policy"), MAX_POLICY * 4),
      statements: await bytesOf(at("statements"), MAX_STATEMENTS),
      checkpoint: await bytesOf(at("checkpoint"), MAX_NOTE),
    };
    const found = await judgeFile(evidence, given, progress);
    if (mine !== run) return;
    report = found;
    at("status").textContent = "";
    show();
    at("result").focus();
  } catch {
    if (mine === run) at("status").textContent = word().failed;
  } finally {
    if (mine === run) document.body.dataset.done = mine;
  }
}

function choose(file) {
  evidence = file ?? null;
  at("chosen").textContent = evidence ? word().chosen(evidence.name) : "";
}

at("evidence").addEventListener("change", () => choose(at("evidence").files[0]));
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  verify();
});
at("language").addEventListener("click", () => {
  language = language === "tr" ? "en" : "tr";
  speak();
});
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.querySelector(".drop").classList.toggle("over", name === "dragover");
    if (name === "drop" && event.dataTransfer.files.length) {
      choose(event.dataTransfer.files[0]);
      at("evidence").value = "";
      verify();
    }
  });
}
speak();
