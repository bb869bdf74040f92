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
  home   = "/home/coder"
  folder = local.home

  # With its registry: Podman does not guess one.
  image = "docker.io/codercom/enterprise-base:ubuntu"

  # Podman calls the machine so inside a container.
  coder_url = local.only_here ? "http://host.containers.internal:${data.coder_workspace.me.access_port}" : local.access_url
}

resource "docker_image" "workspace" {
  name = local.image
  # Other workspaces use it too.
  keep_locally = true
}

resource "docker_volume" "home" {
  name = "coder-${data.coder_workspace.me.id}-home"

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
  env        = ["CODER_AGENT_TOKEN=${coder_agent.main.token}"]

  volumes {
    container_path = local.home
    volume_name    = docker_volume.home.name
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
