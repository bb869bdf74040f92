# What every workspace is, whatever it runs in: its agent, what the dashboard shows of
# it, and an editor in the browser. A template says where it lives:
#
#   local.home    the folder that is kept
#   local.folder  where terminals and the editor begin
#   local.image   the container image

data "coder_provisioner" "me" {}
data "coder_workspace" "me" {}
data "coder_workspace_owner" "me" {}

locals {
  access_url = trimsuffix(data.coder_workspace.me.access_url, "/")

  # A name that only this machine or mDNS knows means nothing inside a workspace.
  only_here = can(regex("^https?://(localhost|127\\.[0-9.]+|[^/:]+\\.local)(:|$)", local.access_url))

  # Programs that the machine has for workspaces (nixos/modules/offline/tools.nix).
  tools_folder = "/etc/coder-box/tools"
  has_tools    = fileexists("${local.tools_folder}/names")

  # The images that it carries, where it does.
  carried = try(split("\n", trimspace(file("/etc/coder-box/images"))), [])

  git_name = coalesce(data.coder_workspace_owner.me.full_name, data.coder_workspace_owner.me.name)
}

# A warning in the log of the build, before the error of whoever misses the image.
check "image" {
  assert {
    condition     = length(local.carried) == 0 || contains(local.carried, local.image)
    error_message = "This machine does not carry the image ${local.image}: it is downloaded now, which takes a network. It carries ${join(", ", local.carried)}."
  }
}

resource "coder_agent" "main" {
  arch = data.coder_provisioner.me.arch
  os   = "linux"
  dir  = local.folder

  startup_script = file("${path.module}/start.sh")

  env = merge(
    {
      GIT_AUTHOR_NAME      = local.git_name
      GIT_AUTHOR_EMAIL     = data.coder_workspace_owner.me.email
      GIT_COMMITTER_NAME   = local.git_name
      GIT_COMMITTER_EMAIL  = data.coder_workspace_owner.me.email
      WORKSPACE_DOTFILES   = data.coder_parameter.dotfiles.value
      WORKSPACE_FOLDER     = local.folder
      WORKSPACE_HOME_GB    = data.coder_parameter.home_gb.value
      WORKSPACE_REPOSITORY = data.coder_parameter.repository.value
    },
    # After those of the image. The agent fills in what `$PATH` is there.
    local.has_tools ? {
      PATH              = "$PATH:/nix/tools/bin"
      NIX_SSL_CERT_FILE = "/nix/tools/etc/ssl/certs/ca-bundle.crt"
    } : {},
  )

  metadata {
    key          = "cpu"
    display_name = "CPU"
    script       = "coder stat cpu"
    interval     = 10
    timeout      = 1
    order        = 1
  }

  metadata {
    key          = "memory"
    display_name = "Memory"
    script       = "coder stat mem"
    interval     = 10
    timeout      = 1
    order        = 2
  }

  metadata {
    key          = "disk"
    display_name = "Disk"
    script       = "coder stat disk --path ${local.home}"
    interval     = 60
    timeout      = 1
    order        = 3
  }

  # Of all workspaces and Coder together: they share the machine.
  metadata {
    key          = "load"
    display_name = "Load of the machine"
    script       = "cut -d ' ' -f 1 /proc/loadavg"
    interval     = 10
    timeout      = 1
    order        = 4
  }
}

resource "coder_app" "editor" {
  agent_id     = coder_agent.main.id
  slug         = "code-server"
  display_name = "VS Code in the browser"
  icon         = "/icon/code.svg"
  url          = "http://localhost:13337/?folder=${urlencode(local.folder)}"
  # Subdomains need a wildcard name, which a .local machine has not.
  subdomain = false
  share     = "owner"
  order     = 1

  # A first start may have to download it.
  healthcheck {
    url       = "http://localhost:13337/healthz"
    interval  = 5
    threshold = 24
  }
}
