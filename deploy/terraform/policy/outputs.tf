output "name" {
  description = "What the names of everything begin with."
  value       = var.name
}

output "deployments" {
  description = "One for each environment and region: what runs there."
  value       = local.deployments
}

output "databases" {
  description = "Those deployments that have a database of their own."
  value       = { for key, one in local.deployments : key => one if one.database_plan != null }
}

output "guests" {
  description = "Those deployments that share another's database, named by `database`."
  value       = { for key, one in local.deployments : key => one if one.database_plan == null }
}

output "reviewers" {
  description = "How many people approve a deployment, by environment."
  value       = { for name, one in local.environments : name => one.reviewers }
}
