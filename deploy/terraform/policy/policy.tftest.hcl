run "the_three_environments_of_a_fresh_account" {
  command = plan

  assert {
    condition     = [for one in output.deployments : one.app] == ["mltrading-green", "mltrading-prod", "mltrading-staging"]
    error_message = "The apps are not those that the delivery looks for."
  }
  assert {
    condition     = { for key, one in output.databases : key => one.database_plan } == { production-us = "standard-0", staging-us = "essential-0" }
    error_message = "Each stage has its database plan."
  }
  assert {
    condition     = { for key, one in output.guests : key => one.database } == { green-us = "production-us" }
    error_message = "Green is on production's database."
  }
  assert {
    condition     = output.reviewers == { green = 1, production = 1, staging = 0 }
    error_message = "Somebody approves what goes to production, nobody what goes to staging."
  }
  assert {
    condition     = output.deployments["production-us"].processes == 2 && output.deployments["production-us"].preboot
    error_message = "Production is never down to no process."
  }
}

run "more_regions_are_a_variable" {
  command = plan

  variables {
    name = "charts"
    environments = {
      green      = { stage = "production", regions = ["eu", "us"], database_of = "production" }
      production = { stage = "production", regions = ["eu", "us"], processes = 4, database_plan = "premium-2" }
    }
  }
  assert {
    condition     = [for one in output.deployments : one.app] == ["charts-green", "charts-green-us", "charts-prod", "charts-prod-us"]
    error_message = "The main region's apps keep the plain name."
  }
  assert {
    condition     = output.guests["green-us"].database == "production-us" && output.guests["green-eu"].database == "production-eu"
    error_message = "Green is on the database of its own region."
  }
  assert {
    condition     = output.deployments["production-us"].aws_region == "us-east-1" && output.deployments["production-eu"].heroku_region == "eu"
    error_message = "Each cloud has its own name of a region."
  }
  assert {
    condition     = output.databases["production-eu"].database_class == "db.m7g.large" && output.databases["production-eu"].database_spare
    error_message = "A premium plan has a spare on AWS as well."
  }
}

run "a_fourth_environment_is_a_variable" {
  command = plan

  variables {
    environments = { demo = { stage = "staging", regions = ["eu"], size = "standard-1x", preboot = true } }
  }
  assert {
    condition     = keys(output.deployments) == ["demo-eu"] && output.deployments["demo-eu"].preboot
    error_message = "An environment may differ from its stage."
  }
}

run "refuses_production_without_ssl" {
  command = plan
  variables {
    environments = { production = { stage = "production", regions = ["us"], ssl_required = false } }
  }
  expect_failures = [var.environments]
}

run "refuses_one_process_in_production" {
  command = plan
  variables {
    environments = { production = { stage = "production", regions = ["us"], processes = 1 } }
  }
  expect_failures = [var.environments]
}

run "refuses_the_same_region_twice" {
  command = plan
  variables {
    environments = { staging = { stage = "staging", regions = ["us", "us"] } }
  }
  expect_failures = [var.environments]
}

run "refuses_no_region" {
  command = plan
  variables {
    environments = { staging = { stage = "staging", regions = [] } }
  }
  expect_failures = [var.environments]
}

run "refuses_an_unknown_region" {
  command = plan
  variables {
    environments = { staging = { stage = "staging", regions = ["moon"] } }
  }
  expect_failures = [var.environments]
}

run "refuses_an_unknown_stage" {
  command = plan
  variables {
    environments = { staging = { stage = "live", regions = ["us"] } }
  }
  expect_failures = [var.environments]
}

run "refuses_production_that_nobody_approves" {
  command = plan
  variables {
    environments = { production = { stage = "production", regions = ["us"], reviewers = 0 } }
  }
  expect_failures = [var.environments]
}

run "refuses_an_essential_database_in_production" {
  command = plan
  variables {
    environments = { production = { stage = "production", regions = ["us"], database_plan = "essential-1" } }
  }
  expect_failures = [var.environments]
}

run "refuses_a_plan_that_is_gone" {
  command = plan
  variables {
    environments = { staging = { stage = "staging", regions = ["us"], database_plan = "hobby-dev" } }
  }
  expect_failures = [var.environments]
}

run "refuses_a_size_that_is_gone" {
  command = plan
  variables {
    environments = { staging = { stage = "staging", regions = ["us"], size = "hobby" } }
  }
  expect_failures = [var.environments]
}

run "refuses_preboot_of_basic_processes" {
  command = plan
  variables {
    environments = { staging = { stage = "staging", regions = ["us"], preboot = true } }
  }
  expect_failures = [var.environments]
}

run "refuses_two_basic_processes" {
  command = plan
  variables {
    environments = { staging = { stage = "staging", regions = ["us"], size = "basic", processes = 2 } }
  }
  expect_failures = [var.environments]
}

run "refuses_a_database_in_another_region" {
  command = plan
  variables {
    environments = {
      green      = { stage = "production", regions = ["eu"], database_of = "production" }
      production = { stage = "production", regions = ["us"] }
    }
  }
  expect_failures = [var.environments]
}

run "refuses_a_database_of_a_guest" {
  command = plan
  variables {
    environments = {
      a          = { stage = "production", regions = ["us"], database_of = "green" }
      green      = { stage = "production", regions = ["us"], database_of = "production" }
      production = { stage = "production", regions = ["us"] }
    }
  }
  expect_failures = [var.environments]
}

run "refuses_a_name_that_no_platform_takes" {
  command = plan
  variables {
    name = "ML Trading"
  }
  expect_failures = [var.name]
}
