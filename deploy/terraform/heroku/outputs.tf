output "urls" {
  description = "The address of each app."
  value       = { for key, one in heroku_app.this : key => one.web_url }
}

output "reviewers" {
  description = "How many people approve a deployment, by environment (a setting of GitHub's)."
  value       = module.policy.reviewers
}
