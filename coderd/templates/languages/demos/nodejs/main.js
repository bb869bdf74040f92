// A web server with nothing but Node's own modules.
const http = require("node:http");

const port = Number(process.env.PORT ?? 8000);

http
  .createServer((request, response) => {
    response.setHeader("Content-Type", "text/plain");
    response.end(`Hello from Node.js ${process.version}\n`);
  })
  .listen(port, "127.0.0.1");
