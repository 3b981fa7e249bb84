// Times two GGUF files in llama.cpp, in turn, and holds the gain against the bytes. Run by llama_cpp_speed.sh:
//   node llama_cpp_speed.mjs DENSE.gguf PRUNED.gguf SCRATCH THREADS ROUNDS PROMPT GENERATE
// Generating a token reads every matrix once: its time should follow the bytes of the matrices. Not among them is the
// embedding where there is an output matrix of its own, since one row of it is read. The cache is left out (below 1 %).
import {execFileSync} from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import {fileURLToPath} from "node:url";

const client = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "tests", "llama_cpp", "llama.mjs");
const [dense, pruned, scratch] = process.argv.slice(2, 5);
const [threads, rounds, prompt, generate] = process.argv.slice(5).map(Number);

/** Sizes of a file's tensors by name, in bytes: the distances of their offsets, padding included. */
function tensorBytes(file) {
  const handle = fs.openSync(file, "r"), fileBytes = fs.fstatSync(handle).size;
  let buffer = Buffer.alloc(0), at = 0, read = 0;
  const take = (count) => {  // a view of the next `count` bytes
    if (at + count > buffer.length) {
      const more = Buffer.alloc(Math.max(count, 1 << 20));
      const got = fs.readSync(handle, more, 0, more.length, read);
      if (buffer.length - at + got < count) throw new Error(`${file}: ends within its header`);
      read += got;
      buffer = Buffer.concat([buffer.subarray(at), more.subarray(0, got)]);
      at = 0;
    }
    at += count;
    return buffer.subarray(at - count, at);
  };
  const u32 = () => take(4).readUInt32LE(), u64 = () => Number(take(8).readBigUInt64LE());
  const text = () => take(u64()).toString("utf8");
  const sizes = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8];  // of types of metadata; 8 is a text, 9 an array
  const value = (type) => {
    if (type === 8) return text();
    if (type === 9) {
      const element = u32(), count = u64();
      for (let i = 0; i < count; ++i) value(element);
      return undefined;
    }
    const bytes = take(sizes[type]);
    return type === 4 ? bytes.readUInt32LE() : undefined;
  };
  if (take(4).toString("latin1") !== "GGUF") throw new Error(`${file}: no GGUF file`);
  u32();  // version
  const tensors = u64(), keys = u64();
  let alignment = 32;
  for (let i = 0; i < keys; ++i) {
    const key = text(), found = value(u32());
    if (key === "general.alignment") alignment = found;
  }
  const table = [];
  for (let i = 0; i < tensors; ++i) {
    const name = text(), dimensions = u32();
    take(8 * dimensions + 4);
    table.push({name, offset: u64()});
  }
  const header = read - buffer.length + at, data = Math.ceil(header / alignment) * alignment;
  fs.closeSync(handle);
  table.sort((a, b) => a.offset - b.offset);
  return table.map(({name, offset}, i) => (
    {name, bytes: (i + 1 < table.length ? table[i + 1].offset : fileBytes - data) - offset}));
}

/** Bytes that are read for a token. */
function bytesPerToken(file) {
  const tensors = tensorBytes(file);
  const untied = tensors.some(({name}) => name === "output.weight");
  return sum(tensors.filter(({name}) => !(untied && name === "token_embd.weight")).map(({bytes}) => bytes));
}

/** One round of one model, in a process of its own. */
function measure(file) {
  const request = path.join(scratch, "speed.json");
  fs.writeFileSync(request, JSON.stringify(
    {threads, cache: "f16", flash_attention: "auto", check_tensors: false, speed: {prompt, generate}}));
  const answer = JSON.parse(execFileSync(process.execPath, [client, file, request], {maxBuffer: 1 << 28}));
  if (answer.error) throw new Error(`${file}: ${answer.error.message}\n${answer.error.log.join("\n")}`);
  return answer;
}

/** The value below which that share of them lies. */
const quantile = (values, share) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) * share)];
const sum = (values) => values.reduce((total, value) => total + value, 0);
const range = (values) => `rounds ${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;

const models = [{title: "dense", file: dense}, {title: "pruned", file: pruned}];
for (const model of models) {
  model.bytes = fs.statSync(model.file).size;
  model.read = bytesPerToken(model.file);
  model.prompt = [];    // tokens a second, one a round
  model.generate = [];  // the same
  model.tokens = [];    // seconds of each generated token
}
for (let round = 0; round < rounds; ++round) {
  for (const model of round % 2 === 0 ? models : [...models].reverse()) {
    const {speed, parameters, description} = measure(model.file);
    Object.assign(model, {parameters, description});
    model.prompt.push(prompt / speed.prompt_s[0]);
    model.generate.push(generate / sum(speed.token_s));
    model.tokens.push(...speed.token_s);
  }
}
const millions = (value) => (value / 1e6).toFixed(0);
const promptSpeed = (model) => quantile(model.prompt, 0.5);
const tokenSpeed = (model, share = 0.5) => 1 / quantile(model.tokens, share);
console.log(`llama.cpp, ${threads} threads, a prompt of ${prompt} tokens, then ${generate} generated, ` +
  `${rounds} rounds in turn; medians, of prompts and of single tokens`);
for (const model of models) {
  const {title, description, parameters, bytes, read} = model;
  console.log(`${title.padEnd(7)} ${description}, ${millions(parameters)} M parameters, file ${millions(bytes)} MB, ` +
    `read for a token ${millions(read)} MB`);
  console.log(`        prompt ${promptSpeed(model).toFixed(1)} tokens/s (${range(model.prompt)}), ` +
    `generation ${tokenSpeed(model).toFixed(2)} tokens/s (${range(model.generate)})`);
}
const [first, second] = models;
const foretold = first.read / second.read;
const share = (gain) => `${(100 * (1 - 1 / gain) / (1 - 1 / foretold)).toFixed(0)} % of the time`;
const gain = tokenSpeed(second) / tokenSpeed(first), undisturbed = tokenSpeed(second, 0.1) / tokenSpeed(first, 0.1);
console.log(`the removed bytes foretell generation ${foretold.toFixed(3)} times as fast`);
console.log(`measured: prompt ${(promptSpeed(second) / promptSpeed(first)).toFixed(3)} times, ` +
  `generation ${gain.toFixed(3)} times: ${share(gain)} that they stand for was saved`);
// Other work on the processors makes tokens slower, never faster.
console.log(`by the fastest tenth of the tokens: ${undisturbed.toFixed(3)} times, ${share(undisturbed)}`);
