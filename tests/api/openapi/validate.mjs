// Prints what is wrong with an OpenAPI document; exit status 0 if nothing is.
import { readFileSync } from "node:fs";
import { Validator } from "@seriousme/openapi-schema-validator";

const validator = new Validator();
const document = JSON.parse(readFileSync(process.argv[2], "utf8"));
const result = await validator.validate(document);
if (result.valid) {
  console.log(`valid OpenAPI ${validator.version}`);
} else {
  console.log(JSON.stringify(result.errors, null, 1));
  process.exit(1);
}
