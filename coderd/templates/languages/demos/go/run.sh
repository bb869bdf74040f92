go build -o "$PWD/demo" "$PWD/main.go"
exec "$PWD/demo"
