# Apps, databases and the pipeline on Heroku. What they are is decided in ../policy.

terraform {
  required_version = ">= 1.7"
  required_providers {
    heroku = {
      source  = "heroku/heroku"
      version = "~> 5.3"
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.7"
    }
  }
}

# HEROKU_API_KEY comes from the environment.
provider "heroku" {}

module "policy" {
  source       = "../policy"
  name         = var.name
  environments = var.environments
}

resource "heroku_pipeline" "this" {
  name = module.policy.name
}

# Apps that share a database share the key that seals what is in it. The state holds it, as it holds
# the database's address.
resource "random_password" "key" {
  for_each = module.policy.databases

  length  = 64
  special = false
}

resource "heroku_app" "this" {
  for_each = module.policy.deployments

  name   = each.value.app
  region = each.value.heroku_region

  config_vars = {
    ENVIRONMENT = each.value.stage
  }

  sensitive_config_vars = {
    SECRET_KEY = random_password.key[each.value.database].result
  }
}

resource "heroku_pipeline_coupling" "this" {
  for_each = module.policy.deployments

  app_id   = heroku_app.this[each.key].id
  pipeline = heroku_pipeline.this.id
  stage    = each.value.stage
}

resource "heroku_addon" "database" {
  for_each = module.policy.databases

  app_id = heroku_app.this[each.key].id
  plan   = "heroku-postgresql:${each.value.database_plan}"
}

resource "heroku_addon_attachment" "database" {
  for_each = module.policy.guests

  app_id   = heroku_app.this[each.key].id
  addon_id = heroku_addon.database[each.value.database].id
  name     = "DATABASE"
}

# Processes can be scaled once the first release is there.
resource "heroku_formation" "web" {
  for_each = { for key, one in module.policy.deployments : key => one if var.released }

  app_id   = heroku_app.this[each.key].id
  type     = "web"
  quantity = each.value.processes
  size     = each.value.size
}

resource "heroku_app_feature" "preboot" {
  for_each = { for key, one in module.policy.deployments : key => one if var.released && one.preboot }

  app_id = heroku_app.this[each.key].id
  name   = "preboot"

  depends_on = [heroku_formation.web]
}
