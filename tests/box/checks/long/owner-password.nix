{ box.firstBoot.admin.passwordFile = "/etc/secrets/coder-admin"; }
