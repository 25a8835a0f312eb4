"use strict";
// The part of solc's command line that py-solc-x and Ape use, on top of the WebAssembly compiler
// of npm's "solc": `--version`, and `--standard-json` from standard input to standard output.
// Other options (--allow-paths, --base-path) are accepted and ignored: every source is in the input.
const fs = require("node:fs");
const path = require("node:path");

const soljson = require(path.join(__dirname, "..", "node_modules", "solc", "soljson.js"));

// npm's own wrapper passes the input through Emscripten's stack, which a few hundred kilobytes
// overflow. The compiler's allocator takes it from the heap; solidity_reset frees it.
function allocate(text) {
  const size = Buffer.byteLength(text) + 1;
  const pointer = soljson._solidity_alloc(size);
  soljson.stringToUTF8(text, pointer, size);
  return pointer;
}

function writeAll(text) {
  const bytes = Buffer.from(text);
  let offset = 0;
  while (offset < bytes.length) {
    try {
      offset += fs.writeSync(1, bytes, offset);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error; // a full pipe that is non-blocking
    }
  }
}

const options = process.argv.slice(2);
if (options.includes("--version")) {
  const version = soljson.UTF8ToString(soljson._solidity_version());
  writeAll(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else if (options.includes("--standard-json")) {
  const input = fs.readFileSync(0, "utf8");
  const output = soljson.UTF8ToString(soljson._solidity_compile(allocate(input), 0, 0));
  soljson._solidity_reset();
  writeAll(output);
} else {
  process.stderr.write("this launcher speaks --version and --standard-json only\n");
  process.exitCode = 2;
}
