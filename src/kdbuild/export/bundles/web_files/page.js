const LEAST_SHOWN = 0.02; // of a weight, for a word to be coloured
const find = (id) => document.getElementById(id);
const fields = [find("first"), find("second")];
// Not a module: from a file, browsers load none into a worker.
const worker = new Worker(URL.createObjectURL(new Blob([find("worker").textContent], { type: "text/javascript" })));
let model, isBusy = true, isStale = false;

worker.onmessage = ({ data }) => {
  if (data.error) return fail(data.error);
  if (data.ready) {
    model = data.ready;
    if (model.texts === 2) {
      document.querySelector("label[for=first]").textContent = "First text";
      find("second-field").hidden = false;
    }
  } else {
    show(data);
  }
  isBusy = false;
  if (data.ready || isStale) ask();
};
worker.onerror = (event) => fail(event.message || "the browser runs no worker");

for (const field of fields) field.addEventListener("input", ask);
for (const button of find("examples").children) {
  button.addEventListener("click", () => {
    fields[0].value = button.textContent;
    ask();
  });
}
find("examples").firstElementChild?.click();
const [bytes, simd, plain] = ["model", "wasm-simd", "wasm"].map((id) => decoded(find(id).textContent));
worker.postMessage({ model: bytes, simd, plain }, [bytes.buffer, simd.buffer, plain.buffer]);

function decoded(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Have the texts answered; those that are typed meanwhile come next, and only the last of them. */
function ask() {
  isStale = isBusy;
  if (isBusy) return;
  const texts = fields.slice(0, model.texts).map((field) => field.value);
  if (texts.every((text) => text.trim() === "")) return clear();
  isBusy = true;
  worker.postMessage({ texts });
}

function clear() {
  find("answer").textContent = "Type a text.";
  find("scores").replaceChildren();
  find("explanation").hidden = true;
  describe();
}

function fail(message) {
  find("answer").textContent = `This page doesn't work here: ${message}.`;
}

function show({ answer, explanation, microseconds }) {
  const given = answer.labels ? answer.labels.join(", ") || "none of the labels" : answer.label;
  find("answer").textContent = given ?? "Not sure";
  find("scores").replaceChildren(...model.labels.map((name) => score(name, answer.scores[name])));
  find("explanation").hidden = false;
  find("legend").querySelector("b").textContent = explanation.label;
  const lists = model.texts === 1 ? [explanation.words] : explanation.words;
  find("words").replaceChildren(...lists.map(words));
  describe(answer, microseconds);
}

function score(name, share) {
  const fill = element("div", "fill");
  const track = element("div", "track", fill);
  track.setAttribute("aria-hidden", "true");
  fill.style.width = `${100 * share}%`;
  return element("li", "", element("span", "name", name), track, element("span", "share", `${(100 * share).toFixed(1)} %`));
}

function words(list) {
  const items = list.map(({ word, weight }) => {
    const item = element("li", "word", word);
    const size = Math.abs(weight);
    if (size < LEAST_SHOWN) return item;
    const side = weight > 0 ? "for" : "against";
    item.classList.add(side);
    item.style.background = `rgba(var(--${side}), ${(0.1 + 0.6 * Math.min(1, size)).toFixed(2)})`;
    const points = `${weight > 0 ? "+" : "−"}${(100 * size).toFixed(0)}`;
    item.title = `${points} points of probability`;
    item.append(element("span", "unseen", ` (${points} points) `));
    return item;
  });
  return element("ul", "", ...items);
}

function describe(answer, microseconds) {
  const facts = [];
  if (answer) {
    facts.push(`${microseconds.toFixed(0)} µs`);
    facts.push(`${answer.tokens} tokens read${answer.truncated ? `, as many as it reads` : ""}`);
    if (answer.unknown) facts.push(`${answer.unknown} of them unknown`);
  }
  facts.push(`engine ${model.path}`, `model ${model.version}`);
  find("facts").textContent = facts.join(" · ");
}

function element(tag, name, ...children) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  made.append(...children);
  return made;
}
