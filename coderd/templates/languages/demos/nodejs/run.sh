exec node "$PWD/main.js"
