# An archive as `skopeo copy … docker-archive:` writes it, of one program.
mkdir -p layer/bin image
cp "$busybox" layer/bin/busybox
for program in sh echo ls touch; do ln -s busybox "layer/bin/$program"; done
tar --create --file image/layer.tar --sort=name --mtime=@0 --owner=0 --group=0 -C layer .
digest=$(sha256sum <image/layer.tar)
jq -n --arg architecture "$architecture" --arg digest "sha256:${digest%% *}" \
  '{architecture: $architecture, os: "linux", config: {Cmd: ["/bin/sh"]}, rootfs: {type: "layers", diff_ids: [$digest]}}' \
  >image/config.json
jq -n --arg name "$imageName:$imageTag" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer.tar"]}]' \
  >image/manifest.json
tar --create --file "$out" --sort=name --mtime=@0 --owner=0 --group=0 -C image config.json layer.tar manifest.json
