// What sharp makes of one picture, as the benchmark asks: node sharp.mjs SOURCE TARGET png|jpeg
// Prints the milliseconds between the module being loaded and the result being written.
import sharp from "sharp";

const [source, target, format] = process.argv.slice(2);
const started = performance.now();
sharp.cache(false);
const small = sharp(source).autoOrient().resize({ width: 1024, withoutEnlargement: true });
const result =
  format === "jpeg" ? small.jpeg({ quality: 82, progressive: true }) : small.png();
await result.toFile(target);
console.log(performance.now() - started);
