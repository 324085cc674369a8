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

variable "released" {
  description = "Whether every app has had its first release: only then its processes are scaled."
  type        = bool
  default     = false
}
