# busybox init: the first process, the start-up script, and a shell on the console.
{
  environment.etc = {
    inittab.text = ''
      ::sysinit:/etc/rc
      ::respawn:-/bin/cttyhack /bin/sh -l
      ::ctrlaltdel:/bin/reboot
      ::shutdown:/bin/umount -a -r
    '';
    rc = {
      text = builtins.readFile ./rc.sh;
      executable = true;
    };
    profile.text = ''
      export PATH=/bin HOME=/root
      cat /etc/motd 2>/dev/null
    '';
    passwd.text = "root:x:0:0:root:/root:/bin/sh\n";
    group.text = "root:x:0:\n";
  };
}
