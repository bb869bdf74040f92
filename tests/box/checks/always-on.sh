# nothing makes the machine sleep
fresh
start
check "the machine is up" eventually 60 is_active multi-user.target
for way in suspend hibernate hybrid-sleep suspend-then-hibernate; do
  check_not "asked to: no $way" in_box "systemctl $way"
  check "the target of $way is masked" same "$(in_box "systemctl is-enabled $way.target")" masked
done
manager() { in_box "busctl --json=short get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager $1" | sed 's/.*"data":"\(.*\)".*/\1/'; }
check "logind runs" eventually 30 is_active systemd-logind
for event in HandleLidSwitch HandleLidSwitchDocked HandleLidSwitchExternalPower HandleSuspendKey HandleHibernateKey IdleAction; do
  check "$event" same "$(manager "$event")" ignore
done
for way in Suspend Hibernate; do
  can=$(in_box "busctl call org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager Can$way")
  check "a desktop does not offer to $way" other "$can" 's "yes"'
done
check "the first boot finishes" eventually 120 finished
