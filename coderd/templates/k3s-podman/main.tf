terraform {
  required_providers {
    coder = {
      source  = "coder/coder"
      version = "~> 2.5"
    }
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = ">= 2.36, < 4.0"
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

locals {
  name   = "coder-${data.coder_workspace.me.id}"
  home   = "/home/podman"
  folder = local.home
  image  = "quay.io/podman/stable:v5"
  podman = "/etc/coder-podman"

  # The address of the pod's node, which is known when the pod starts.
  coder_url = local.only_here ? "http://$(NODE_IP):${data.coder_workspace.me.access_port}" : local.access_url

  labels = {
    "app.kubernetes.io/part-of"    = "coder"
    "app.kubernetes.io/instance"   = local.name
    "app.kubernetes.io/managed-by" = "coder"
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

  # A changed template must never cost anyone's files.
  lifecycle {
    ignore_changes = all
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
      image   = local.image
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

      dynamic "volume_mount" {
        for_each = local.has_tools ? ["tools"] : []

        content {
          name       = volume_mount.value
          mount_path = "/nix"
          read_only  = true
        }
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

    # A folder of the machine, which only its administrator could offer.
    dynamic "volume" {
      for_each = local.has_tools ? ["tools"] : []

      content {
        name = volume.value

        persistent_volume_claim {
          claim_name = "workspace-tools"
          read_only  = true
        }
      }
    }
  }
}
