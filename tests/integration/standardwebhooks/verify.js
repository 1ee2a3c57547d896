// Reads pairs of lines, a secret and a delivery {headers, body}; prints ok or bad for each.
const { Webhook } = require("standardwebhooks");
const lines = require("fs").readFileSync(0, "utf8").split("\n");
for (let i = 0; i + 1 < lines.length; i += 2) {
  const { headers, body } = JSON.parse(lines[i + 1]);
  try {
    new Webhook(lines[i]).verify(body, headers);
    console.log("ok");
  } catch (e) {
    console.log("bad");
  }
}
