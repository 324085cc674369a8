variable "name" {
  description = "See ../policy."
  type        = string
  default     = "mltrading"
}

variable "environments" {
  description = "See ../policy; null is its default."
  type        = any
  default     = null
}

variable "images" {
  description = "The image of deploy/lambda, in the registry of each region: a function takes no other."
  type        = map(string)
}

variable "database_secrets" {
  description = "By database (production-us): the ARN of the secret whose key `url` is DATABASE_URL, and `secret_key` SECRET_KEY."
  type        = map(string)
}

variable "networks" {
  description = "By AWS region: where the function and the database are."
  type = map(object({
    subnets               = list(string)
    security_groups       = list(string)
    database_subnet_group = string
  }))
}
