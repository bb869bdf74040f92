{ pkgs, ... }:
{
  box.offline.images.podman = [
    (pkgs.dockerTools.pullImage {
      finalImageName = "docker.io/library/wrong";
      finalImageTag = "1";
      arch = "arm64";
    })
  ];
}
