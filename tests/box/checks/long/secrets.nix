{ box.secrets.enable = true; }
