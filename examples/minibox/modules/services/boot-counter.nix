# Counts how often this root was booted: on a disk it goes up, on a live image it is always 1.
{
  systemd.services.boot-counter = {
    description = "Count the boots of this root";
    environment.STATE_DIRECTORY = "/var/lib/box";
    script = ''
      mkdir -p "$STATE_DIRECTORY"
      before=$(cat "$STATE_DIRECTORY/boots" 2>/dev/null || echo 0)
      echo $((before + 1)) >"$STATE_DIRECTORY/boots"
    '';
  };
}
