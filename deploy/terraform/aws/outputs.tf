output "urls" {
  description = "The address of each function."
  value       = { for key, one in aws_cloudformation_stack.dashboard : key => one.outputs["Url"] }
}
