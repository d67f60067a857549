// What a bundle for the web says of what it can't do, and how much memory many calls take: node misuse.mjs BUNDLE
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(`${process.argv[2]}/`);
const { Classifier, KdbuildError } = await import(new URL("kdbuild.js", folder));
const model = readFileSync(new URL("model_int8.kdb", folder));
const classify = await Classifier.load();
const damaged = Uint8Array.from(model);
damaged[model.length >> 1] ^= 1;

const messages = [];
for (const call of [
  () => classify(),
  () => classify("a", "b"),
  () => classify(7),
  () => Classifier.load(damaged),
  () => Classifier.load(model.subarray(0, 1000)),
  () => Classifier.load(new TextEncoder().encode("no model")),
]) {
  try {
    await call();
    messages.push("no error");
  } catch (error) {
    messages.push(error instanceof KdbuildError ? error.message : `${error}`);
  }
}
const unchecked = await Classifier.load(damaged, { verify: false });

const texts = ["a film", "a warm , funny film ".repeat(40), ""];
const round = () => texts.map((text) => [classify(text).score, classify.ids(text).length, classify.explain(text).words.length]);
const first = JSON.stringify(round());
const grown = classify.memory;
for (let i = 0; i < 3300; i++) round();
console.log(JSON.stringify({ messages, unchecked: unchecked.labels, same: JSON.stringify(round()) === first, grown, then: classify.memory }));
