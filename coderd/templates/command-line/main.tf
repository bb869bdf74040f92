terraform {
  required_providers {
    coder = {
      source  = "coder/coder"
      version = "~> 2.5"
    }
    docker = {
      source  = "kreuzwerker/docker"
      version = "~> 3.6"
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

data "coder_provisioner" "me" {}
data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

data "coder_parameter" "dotfiles" {
  name         = "dotfiles"
  display_name = "Dotfiles"
  description  = "A git repository with dotfiles to install, or nothing."
  type         = "string"
  default      = ""
  mutable      = true
}

data "coder_parameter" "cpu" {
  name         = "cpu"
  display_name = "CPU"
  description  = "How many of this machine's processors it may use."
  type         = "number"
  icon         = "/icon/memory.svg"
  default      = "2"
  mutable      = true

  validation {
    min = 1
    max = 16
  }
}

data "coder_parameter" "memory" {
  name         = "memory"
  display_name = "Memory"
  description  = "How much memory it may use, in GB."
  type         = "number"
  icon         = "/icon/memory.svg"
  default      = "2"
  mutable      = true

  validation {
    min = 1
    max = 64
  }
}

locals {
  access_url = trimsuffix(data.coder_workspace.me.access_url, "/")

  # A name that only this machine or mDNS knows means nothing inside a
  # container, where Podman calls the machine host.containers.internal.
  only_here = can(regex("^https?://(localhost|127\\.[0-9.]+|[^/:]+\\.local)(:|$)", local.access_url))
  coder_url = local.only_here ? "http://host.containers.internal:${data.coder_workspace.me.access_port}" : local.access_url
}

resource "coder_agent" "main" {
  arch = data.coder_provisioner.me.arch
  os   = "linux"
  dir  = "/home/coder"

  startup_script = <<-EOT
    set -eu
    # The volume is empty on the very first start.
    [ -e ~/.bashrc ] || cp -rT /etc/skel ~
    [ -z "$DOTFILES" ] || coder dotfiles --yes "$DOTFILES"
  EOT

  env = {
    DOTFILES            = data.coder_parameter.dotfiles.value
    GIT_AUTHOR_NAME     = coalesce(data.coder_workspace_owner.me.full_name, data.coder_workspace_owner.me.name)
    GIT_AUTHOR_EMAIL    = data.coder_workspace_owner.me.email
    GIT_COMMITTER_NAME  = coalesce(data.coder_workspace_owner.me.full_name, data.coder_workspace_owner.me.name)
    GIT_COMMITTER_EMAIL = data.coder_workspace_owner.me.email
  }

  metadata {
    key          = "cpu"
    display_name = "CPU"
    script       = "coder stat cpu"
    interval     = 10
    timeout      = 1
  }

  metadata {
    key          = "memory"
    display_name = "Memory"
    script       = "coder stat mem"
    interval     = 10
    timeout      = 1
  }
}

resource "docker_image" "workspace" {
  # With its registry: Podman does not guess one.
  name = "docker.io/codercom/enterprise-base:ubuntu"
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
    container_path = "/home/coder"
    volume_name    = docker_volume.home.name
  }

  labels {
    label = "coder.workspace_id"
    value = data.coder_workspace.me.id
  }
}
