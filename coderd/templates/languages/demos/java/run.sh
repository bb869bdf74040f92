exec java "$PWD/Main.java"
