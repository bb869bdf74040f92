terraform {
  required_providers {
    coder = {
      source  = "coder/coder"
      version = "~> 2.5"
    }
    docker = {
      source  = "kreuzwerker/docker"
      version = ">= 3.6, < 5.0"
    }
  }
}

variable "podman_socket" {
  type        = string
  description = "Where the rootless Podman of this machine offers the Docker API"
  default     = "unix:///run/coder-podman/podman.sock"
}

provider "docker" {
  host = var.podman_socket
}

locals {
  # A folder under demos/ and an image for both architectures. Images with
  # their registry: Podman does not guess one.
  languages = {
    python = { name = "Python", icon = "/icon/python.svg", image = "docker.io/library/python:3.13-bookworm" }
    nodejs = { name = "Node.js", icon = "/icon/nodejs.svg", image = "docker.io/library/node:22-bookworm" }
    go     = { name = "Go", icon = "/icon/go.svg", image = "docker.io/library/golang:1.24-bookworm" }
    java   = { name = "Java", icon = "/icon/java.svg", image = "docker.io/library/eclipse-temurin:21-jdk-noble" }
    rust   = { name = "Rust", icon = "/icon/rust.svg", image = "docker.io/library/rust:1-bookworm" }
  }

  home   = "/work"
  folder = local.home

  language = data.coder_parameter.language.value
  image    = local.languages[local.language].image
  demo     = "${path.module}/demos/${local.language}"

  # Podman calls the machine so inside a container.
  coder_url = local.only_here ? "http://host.containers.internal:${data.coder_workspace.me.access_port}" : local.access_url
}

data "coder_parameter" "language" {
  name         = "language"
  display_name = "Language"
  type         = "string"
  default      = "python"
  # Another image would find the demo of the one before.
  mutable = false
  order   = 1

  dynamic "option" {
    for_each = local.languages

    content {
      name  = option.value.name
      value = option.key
      icon  = option.value.icon
    }
  }
}

resource "coder_script" "demo" {
  agent_id     = coder_agent.main.id
  display_name = "Demo"
  icon         = local.languages[local.language].icon
  run_on_start = true

  script = join("\n", concat(
    [
      "set -eu",
      "if [ ! -e ${local.home}/demo ]; then",
      "  mkdir -p ${local.home}/demo.new",
    ],
    # In base64: no quoting, whatever a demo holds.
    [
      for file in fileset(local.demo, "*") :
      "  echo ${filebase64("${local.demo}/${file}")} | base64 -d >${local.home}/demo.new/${file}"
    ],
    [
      # Under its name only when it is whole.
      "  mv ${local.home}/demo.new ${local.home}/demo",
      "fi",
      "cd ${local.home}/demo",
      "nohup sh run.sh >/tmp/demo.log 2>&1 &",
      "echo $! >/tmp/demo.pid",
    ],
  ))
}

resource "coder_app" "demo" {
  agent_id     = coder_agent.main.id
  slug         = "demo"
  display_name = "Demo"
  icon         = local.languages[local.language].icon
  url          = "http://localhost:8000"
  # Subdomains need a wildcard name, which a .local machine has not.
  subdomain = false
  share     = "owner"
  order     = 2

  healthcheck {
    url       = "http://localhost:8000"
    interval  = 5
    threshold = 24
  }
}

resource "docker_image" "workspace" {
  name = local.image
  # Other workspaces use it too.
  keep_locally = true
}

resource "docker_volume" "work" {
  name = "coder-${data.coder_workspace.me.id}-work"

  # A changed template must never cost anyone's files.
  lifecycle {
    ignore_changes = all
  }
}

resource "docker_container" "workspace" {
  # None while the workspace is stopped.
  count    = data.coder_workspace.me.start_count
  name     = "coder-${data.coder_workspace_owner.me.name}-${lower(data.coder_workspace.me.name)}"
  hostname = data.coder_workspace.me.name
  image    = docker_image.workspace.image_id

  # Beyond that it waits for the processor, and is ended for want of memory.
  cpus   = data.coder_parameter.cpu.value
  memory = data.coder_parameter.memory.value * 1024

  entrypoint = ["sh", "-c", replace(coder_agent.main.init_script, local.access_url, local.coder_url)]
  env = [
    "CODER_AGENT_TOKEN=${coder_agent.main.token}",
    "HOME=${local.home}",
  ]

  volumes {
    container_path = local.home
    volume_name    = docker_volume.work.name
  }

  dynamic "volumes" {
    for_each = local.has_tools ? ["${local.tools_folder}/nix"] : []

    content {
      container_path = "/nix"
      host_path      = volumes.value
      read_only      = true
    }
  }

  labels {
    label = "coder.workspace_id"
    value = data.coder_workspace.me.id
  }
}
