// signed.mjs BUNDLE KEY OTHER_KEY MODEL...: prints what becomes of each model with each key, and without WebCrypto.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const { Classifier } = await import(pathToFileURL(`${folder}/kdbuild.js`));
const keys = await Promise.all(files.slice(0, 2).map((name) => readFile(name, "utf8")));
const models = await Promise.all(files.slice(2).map((name) => readFile(name)));
const outcome = async (model, publicKey) => {
  try {
    const classify = await Classifier.load(model, { publicKey });
    return classify("a film").label === undefined ? "no answer" : "loaded";
  } catch (error) {
    return error.message;
  }
};
const found = [];
for (const model of models) for (const key of keys) found.push(await outcome(model, key));
Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true });
found.push(await outcome(models[0], keys[0]));
console.log(JSON.stringify(found));
