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
  return tensors.filter(({name}) => !(untied && name === "token_embd.weight")).reduce((sum, {bytes}) => sum + bytes, 0);
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

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
const range = (values) => `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;

const models = [{title: "dense", file: dense}, {title: "pruned", file: pruned}];
for (const model of models) {
  model.bytes = fs.statSync(model.file).size;
  model.read = bytesPerToken(model.file);
  model.prompt = [];
  model.generate = [];
}
for (let round = 0; round < rounds; ++round) {
  for (const model of round % 2 === 0 ? models : [...models].reverse()) {
    const {speed, parameters, description} = measure(model.file);
    Object.assign(model, {parameters, description});
    model.prompt.push(...speed.prompt_tokens_per_s);
    model.generate.push(...speed.generate_tokens_per_s);
  }
}
const millions = (value) => (value / 1e6).toFixed(0);
console.log(`llama.cpp, ${threads} threads, a prompt of ${prompt} tokens, then ${generate} generated; ` +
  `medians of ${rounds} rounds in turn`);
for (const {title, description, parameters, bytes, read, prompt: fast, generate: slow} of models) {
  console.log(`${title.padEnd(7)} ${description}, ${millions(parameters)} M parameters, file ${millions(bytes)} MB, ` +
    `read for a token ${millions(read)} MB`);
  console.log(`        prompt ${median(fast).toFixed(1)} tokens/s (${range(fast)}), ` +
    `generation ${median(slow).toFixed(2)} tokens/s (${range(slow)})`);
}
const [a, b] = models;
const gain = (kind) => median(b[kind]) / median(a[kind]);
const foretold = a.read / b.read;
const share = (1 - 1 / gain("generate")) / (1 - 1 / foretold);
console.log(`prompt ${gain("prompt").toFixed(3)} times as fast, generation ${gain("generate").toFixed(3)} times; ` +
  `the bytes read for a token foretell ${foretold.toFixed(3)}: ` +
  `${(100 * share).toFixed(0)} % of the time that the removed bytes stand for was saved`);
