# A database and the function of ../../lambda in each region. What they are is decided in ../policy.

terraform {
  required_version = ">= 1.7"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = "us-east-1" # of what has no region of its own; every resource below names its region
}

module "policy" {
  source       = "../policy"
  name         = var.name
  environments = var.environments
}

resource "aws_db_parameter_group" "ssl" {
  for_each = module.policy.databases

  region = each.value.aws_region
  name   = each.value.app
  family = "postgres17"

  parameter {
    name  = "rds.force_ssl"
    value = each.value.ssl_required ? "1" : "0"
  }
}

resource "aws_db_instance" "database" {
  for_each = module.policy.databases

  region                      = each.value.aws_region
  identifier                  = each.value.app
  engine                      = "postgres"
  engine_version              = "17"
  instance_class              = each.value.database_class
  allocated_storage           = 20
  multi_az                    = each.value.database_spare
  db_name                     = "mltrading"
  username                    = "mltrading"
  manage_master_user_password = true
  storage_encrypted           = true
  parameter_group_name        = aws_db_parameter_group.ssl[each.key].name
  publicly_accessible         = false
  deletion_protection         = each.value.stage == "production"
  backup_retention_period     = 7
  skip_final_snapshot         = each.value.stage != "production"
  final_snapshot_identifier   = "${each.value.app}-last"
  db_subnet_group_name        = var.networks[each.value.aws_region].database_subnet_group
  vpc_security_group_ids      = var.networks[each.value.aws_region].security_groups
}

resource "aws_cloudformation_stack" "dashboard" {
  for_each = module.policy.deployments

  region        = each.value.aws_region
  name          = each.value.app
  template_body = file("${path.module}/../../lambda/template.yaml")
  capabilities  = ["CAPABILITY_IAM"]

  parameters = {
    Image          = var.images[each.value.aws_region]
    Environment    = each.value.stage
    DatabaseSecret = var.database_secrets[each.value.database]
    Subnets        = join(",", var.networks[each.value.aws_region].subnets)
    SecurityGroups = join(",", var.networks[each.value.aws_region].security_groups)
    Concurrency    = each.value.processes
  }
}
