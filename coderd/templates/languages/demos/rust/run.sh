rustc --edition 2021 -O -o "$PWD/demo" "$PWD/main.rs"
exec "$PWD/demo"
