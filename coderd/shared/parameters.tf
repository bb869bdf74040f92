# What every workspace lets its owner choose. The names are kept by workspaces that
# exist: another name asks all of their owners again.

data "coder_parameter" "cpu" {
  name         = "cpu"
  display_name = "CPU"
  description  = "How many of this machine's processors it may use."
  type         = "number"
  icon         = "/icon/memory.svg"
  default      = "2"
  mutable      = true
  order        = 10

  validation {
    min   = 1
    max   = 16
    error = "CPU is {value}: choose from {min} to {max} processors."
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
  order        = 11

  validation {
    min   = 1
    max   = 64
    error = "Memory is {value}: choose from {min} to {max} GB."
  }
}

data "coder_parameter" "home_gb" {
  name         = "home_gb"
  display_name = "Disk"
  description  = "How large the home folder is meant to get, in GB."
  type         = "number"
  icon         = "/emojis/1f4be.png"
  default      = "10"
  # A volume keeps the size that it was made with.
  mutable = false
  order   = 12

  validation {
    min   = 2
    max   = 100
    error = "Disk is {value}: choose from {min} to {max} GB."
  }
}

data "coder_parameter" "repository" {
  name         = "repository"
  display_name = "Git repository"
  description  = "A repository to clone into the home folder, or nothing."
  type         = "string"
  icon         = "/icon/git.svg"
  default      = ""
  mutable      = true
  order        = 20

  validation {
    regex = local.git_address
    error = "The git repository is no address that git can clone, such as https://host/name.git or git@host:name.git."
  }
}

data "coder_parameter" "dotfiles" {
  name         = "dotfiles"
  display_name = "Dotfiles"
  description  = "A git repository with dotfiles to install, or nothing."
  type         = "string"
  icon         = "/icon/dotfiles.svg"
  default      = ""
  mutable      = true
  order        = 21

  validation {
    regex = local.git_address
    error = "The address of the dotfiles is none that git can clone, such as https://host/name.git or git@host:name.git."
  }
}

locals {
  # Nothing, a URL, or what SSH takes. None begins with a dash.
  git_address = "^$|^(https?|ssh|git)://[^[:space:]]+$|^[A-Za-z0-9_][A-Za-z0-9._-]*@[^[:space:]:]+:[^[:space:]]+$"
}
