terraform {
  required_providers {
    coder = {
      source  = "coder/coder"
      version = "~> 2.5"
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = "~> 2.36"
    }
  }
}

variable "kubeconfig" {
  type        = string
  description = "How this machine's Coder reaches its k3s"
  default     = "/run/coder-k3s/kubeconfig"
}

variable "namespace" {
  type        = string
  description = "The namespace of workspaces; it exists already"
  default     = "coder-workspaces"
}

provider "kubernetes" {
  config_path = var.kubeconfig
}

data "coder_provisioner" "me" {}
data "coder_workspace" "me" {}

data "coder_parameter" "home_gb" {
  name         = "home_gb"
  display_name = "Home"
  description  = "Size of the home folder in GB; Podman's images lie there too."
  type         = "number"
  default      = "10"
  # k3s' storage cannot grow a volume.
  mutable = false

  validation {
    min = 2
    max = 100
  }
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
  name       = "coder-${data.coder_workspace.me.id}"
  home       = "/home/podman"
  podman     = "/etc/coder-podman"
  access_url = trimsuffix(data.coder_workspace.me.access_url, "/")

  # A name that only this machine or mDNS knows means nothing inside a pod; the
  # address of its node does, and that is known when the pod starts.
  only_here = can(regex("^https?://(localhost|127\\.[0-9.]+|[^/:]+\\.local)(:|$)", local.access_url))
  coder_url = local.only_here ? "http://$(NODE_IP):${data.coder_workspace.me.access_port}" : local.access_url

  labels = {
    "app.kubernetes.io/part-of"    = "coder"
    "app.kubernetes.io/instance"   = local.name
    "app.kubernetes.io/managed-by" = "coder"
  }
}

resource "coder_agent" "main" {
  arch = data.coder_provisioner.me.arch
  os   = "linux"
  dir  = local.home

  metadata {
    key          = "memory"
    display_name = "Memory"
    script       = "coder stat mem"
    interval     = 10
    timeout      = 1
  }

  metadata {
    key          = "disk"
    display_name = "Home"
    script       = "coder stat disk --path ${local.home}"
    interval     = 60
    timeout      = 1
  }
}

resource "kubernetes_persistent_volume_claim_v1" "home" {
  metadata {
    name      = "${local.name}-home"
    namespace = var.namespace
    labels    = local.labels
  }

  # k3s' storage binds a claim only when a pod wants it.
  wait_until_bound = false

  spec {
    access_modes = ["ReadWriteOnce"]

    resources {
      requests = {
        storage = "${data.coder_parameter.home_gb.value}Gi"
      }
    }
  }
}

# Podman in a pod that has no privileges. Without the first file the images would be
# gone with the pod: its image declares a volume where they are by default. It also
# leaves out the helper for overlays, which needs a device that the pod has not.
# Without the second a container would mount /proc anew, which the kernel refuses.
resource "kubernetes_config_map_v1" "podman" {
  metadata {
    name      = "${local.name}-podman"
    namespace = var.namespace
    labels    = local.labels
  }

  data = {
    "storage.conf"    = <<-EOT
      [storage]
      driver = "overlay"
      graphroot = "${local.home}/.podman/storage"
    EOT
    "containers.conf" = <<-EOT
      [containers]
      volumes = ["/proc:/proc"]
      default_sysctls = []
    EOT
  }
}

resource "kubernetes_pod_v1" "workspace" {
  # None while the workspace is stopped.
  count = data.coder_workspace.me.start_count

  metadata {
    name      = local.name
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    # Nothing in a workspace has business with k3s itself.
    automount_service_account_token = false
    hostname                        = lower(data.coder_workspace.me.name)

    security_context {
      run_as_user     = "1000"
      run_as_group    = "1000"
      run_as_non_root = true
      fs_group        = "1000"
    }

    container {
      name    = "workspace"
      image   = "quay.io/podman/stable:v5"
      command = ["sh", "-c", replace(coder_agent.main.init_script, local.access_url, "$CODER_BOX_URL")]

      # See "Trust" in README.md. What is left is for newuidmap and newgidmap, two
      # programs that give a container its users.
      security_context {
        allow_privilege_escalation = true

        capabilities {
          drop = ["ALL"]
          add  = ["SETUID", "SETGID"]
        }
      }

      # Asks for little, so that many fit; what is more is there for all, up to the limit.
      resources {
        requests = {
          cpu    = "100m"
          memory = "256Mi"
        }
        limits = {
          cpu    = data.coder_parameter.cpu.value
          memory = "${data.coder_parameter.memory.value}Gi"
        }
      }

      # Before CODER_BOX_URL: Kubernetes fills in what is already defined.
      env {
        name = "NODE_IP"

        value_from {
          field_ref {
            field_path = "status.hostIP"
          }
        }
      }

      env {
        name  = "CODER_BOX_URL"
        value = local.coder_url
      }

      env {
        name  = "CODER_AGENT_TOKEN"
        value = coder_agent.main.token
      }

      env {
        name  = "HOME"
        value = local.home
      }

      env {
        name  = "CONTAINERS_STORAGE_CONF"
        value = "${local.podman}/storage.conf"
      }

      env {
        name  = "CONTAINERS_CONF_OVERRIDE"
        value = "${local.podman}/containers.conf"
      }

      volume_mount {
        name       = "home"
        mount_path = local.home
      }

      volume_mount {
        name       = "podman"
        mount_path = local.podman
        read_only  = true
      }
    }

    volume {
      name = "home"

      persistent_volume_claim {
        claim_name = kubernetes_persistent_volume_claim_v1.home.metadata[0].name
      }
    }

    volume {
      name = "podman"

      config_map {
        name = kubernetes_config_map_v1.podman.metadata[0].name
      }
    }
  }
}
