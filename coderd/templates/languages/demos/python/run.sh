exec python3 "$PWD/main.py"
